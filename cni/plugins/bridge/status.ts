import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { parseArgs } from '../../protocol/args.ts';
import { unavailable } from '../../protocol/error.ts';
import type { StatusRequest } from '../../protocol/plugin.ts';
import { ipamOf } from '../common/ipam.ts';
import { readLink } from '../common/links.ts';
import { readBridgeConfig } from './config.ts';

/** STATUS: the configuration makes sense, the kernel answers, nothing else has the bridge's name, IPAM is ready. */
export async function statusBridge(request: StatusRequest): Promise<void> {
  const config = readBridgeConfig(request.conf, parseArgs(''));
  using host = NetlinkSocket.open(NETLINK.ROUTE);
  const link = readLink(host, { name: config.bridge });
  if (link && link.kind !== 'bridge') {
    throw unavailable(`${config.bridge} exists but is no bridge: set "bridge" to another name`);
  }
  if (config.ipamType !== '') await (await ipamOf(config.ipamType)).status(request);
}
