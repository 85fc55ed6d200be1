import type { Ip } from '../../../shared/ip/ip.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { getRoute } from '../../../shared/netlink/requests/route.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { readSysctl, writeSysctl } from '../../../shared/sys/sysctl.ts';
import { readLink } from '../common/links.ts';

/** RTA_OIF of linux/rtnetlink.h, and the size of struct rtmsg before the attributes. */
const outputInterface = 4;
const headerSize = 12;

/**
 * Lets packets from 127.0.0.1 leave towards the pod, so that the node's own programs reach its ports by localhost. Does
 * nothing where the node has no route to the pod.
 */
export function enableLocalnet(pod: Ip): void {
  using host = NetlinkSocket.open(NETLINK.ROUTE);
  const [outcome] = host.transact([getRoute(pod)]);
  const index = outcome?.replies[0] && oifOf(outcome.replies[0].payload);
  const link = index === undefined ? undefined : readLink(host, { index });
  if (!link) return;
  const key = `net/ipv4/conf/${link.name}/route_localnet`;
  if (readSysctl(key) !== '1') writeSysctl(key, '1');
}

/** Of an RTM_NEWROUTE only this is wanted; the codec would take all of it apart. */
function oifOf(payload: Uint8Array): number | undefined {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  for (let at = headerSize; at + 4 <= payload.length; ) {
    const length = view.getUint16(at, true);
    if (length < 4) break;
    if (view.getUint16(at + 2, true) === outputInterface && length === 8) return view.getUint32(at + 4, true);
    at += (length + 3) & ~3;
  }
  return undefined;
}
