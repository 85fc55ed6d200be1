import type { DelRequest } from '../../protocol/plugin.ts';
import type { VethDeletion } from '../common/del-veth.ts';
import { delVeth } from '../common/del-veth.ts';
import type { DelOptions } from '../common/delegate.ts';
import { readLink } from '../common/links.ts';
import { readBridgeName, readMacSpoofCheck } from './config.ts';

/** DEL: what is the bridge's own beside del-veth.ts. The bridge stays. */
export async function delBridge(request: DelRequest, options: DelOptions = {}): Promise<void> {
  const { conf } = request;
  const deletion: VethDeletion = {
    isLikeOwn(host, { master }) {
      const bridge = readLink(host, { name: readBridgeName(conf) });
      return bridge !== undefined && master === bridge.index;
    },
    // After the interface: as long as the container can send, it is checked.
    afterInterface: () => (readMacSpoofCheck(conf) ? removeSpoofCheck(request) : undefined),
  };
  await delVeth(request, deletion, options);
}

async function removeSpoofCheck({ conf, env }: DelRequest): Promise<void> {
  const { removeMacSpoofCheck } = await import('./spoof-check.ts');
  removeMacSpoofCheck({ network: conf.name, containerId: env.containerId, ifname: env.ifname });
}
