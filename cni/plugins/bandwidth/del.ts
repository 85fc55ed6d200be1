import { interfaceExists } from '../../../shared/sys/interface.ts';
import type { DelRequest } from '../../protocol/plugin.ts';
import { ifbName } from './ifb-name.ts';

/**
 * DEL: removes the ifb device; what is on the host's end of the veth pair goes with that. Whether there are limits is
 * not asked, so that a configuration that has changed since leaves nothing behind.
 */
export async function delBandwidth({ conf, env }: DelRequest): Promise<void> {
  const name = ifbName(conf.name, env.containerId);
  // Most pods have none, which is found out without netlink's code.
  if (!interfaceExists(name)) return;
  const { delIfb } = await import('./del-ifb.ts');
  delIfb({ network: conf.name, containerId: env.containerId, ifname: env.ifname }, name);
}
