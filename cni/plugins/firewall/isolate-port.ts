import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { setBridgePort } from '../../../shared/netlink/requests/link.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import type { Interface } from '../../protocol/result.ts';
import { readLink } from '../common/links.ts';

/**
 * Keeps the pod's port of the bridge from other isolated ports. Rules alone see what stays on a bridge only where
 * br_netfilter is loaded and switched on (net.bridge.bridge-nf-call-iptables); without it upstream's policy "isolated"
 * isolates nothing. The setting goes with the port.
 */
export function isolatePort(bridge: string, interfaces: readonly Interface[]): void {
  using host = NetlinkSocket.open(NETLINK.ROUTE);
  const master = readLink(host, { name: bridge });
  if (!master) return;
  for (const { name, sandbox } of interfaces) {
    if (sandbox || name === bridge || name === '') continue;
    const port = readLink(host, { name });
    if (port?.master === master.index) host.request(setBridgePort(port.index, { isolated: true }));
  }
}
