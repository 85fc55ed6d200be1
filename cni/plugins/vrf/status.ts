import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { isNetlinkError } from '../../../shared/netlink/error.ts';
import { newLink } from '../../../shared/netlink/requests/link.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { unavailable } from '../../protocol/error.ts';
import type { StatusRequest } from '../../protocol/plugin.ts';
import { readVrfConfig } from './config.ts';

/**
 * STATUS: the configuration makes sense, and the kernel has VRFs. It is asked for one without a table, which it never
 * makes: where it knows the kind, it misses the table (vrf_newlink, drivers/net/vrf.c).
 */
export function statusVrf({ conf }: StatusRequest): void {
  readVrfConfig(conf);
  using host = NetlinkSocket.open(NETLINK.ROUTE);
  const [outcome] = host.transact([newLink({ kind: { kind: 'other', name: 'vrf' } })]);
  const cause = outcome?.error;
  if (isNetlinkError(cause, 'EOPNOTSUPP'))
    throw unavailable('the kernel has no VRFs: load the module "vrf" (CONFIG_NET_VRF)', { cause });
}
