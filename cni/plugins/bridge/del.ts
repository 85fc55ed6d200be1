import type { DelRequest } from '../../protocol/plugin.ts';
import { delVeth } from '../common/del-veth.ts';
import { readLink } from '../common/links.ts';
import { readBridgeName, readMacSpoofCheck } from './config.ts';

/** DEL: what is the bridge's own beside del-veth.ts. The bridge stays. */
export async function delBridge(request: DelRequest): Promise<void> {
  const { conf } = request;
  await delVeth(request, {
    isLikeOwn(host, { master }) {
      const bridge = readLink(host, { name: readBridgeName(conf) });
      return bridge !== undefined && master === bridge.index;
    },
    // After the interface: as long as the container can send, it is checked.
    afterInterface: () => (readMacSpoofCheck(conf) ? removeSpoofCheck(request) : undefined),
  });
}

async function removeSpoofCheck({ conf, env }: DelRequest): Promise<void> {
  const { removeMacSpoofCheck } = await import('./spoof-check.ts');
  removeMacSpoofCheck({ network: conf.name, containerId: env.containerId, ifname: env.ifname });
}
