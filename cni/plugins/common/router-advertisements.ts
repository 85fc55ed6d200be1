import { RTPROT } from '../../../shared/netlink/codec/route.ts';
import { Rtnetlink } from '../../../shared/netlink/rtnetlink.ts';
import { readSysctl, writeSysctl } from '../../../shared/sys/sysctl.ts';

/**
 * Lets interfaces that learned routes from router advertisements go on doing so when the node forwards IPv6.
 *
 * A node that forwards takes itself for a router and ignores advertisements (accept_ra=1), so one that got its own
 * default route by them would lose it within minutes. accept_ra=2 listens nevertheless.
 */
export function keepRouterAdvertisements(): void {
  using host = Rtnetlink.open();
  const learned = new Set<number>();
  for (const { protocol, oif } of host.routes({ family: 6 })) {
    if (protocol === RTPROT.RA && oif !== undefined) learned.add(oif);
  }
  for (const index of learned) {
    const link = host.linkByIndex(index);
    if (!link) continue;
    const key = `net/ipv6/conf/${link.name}/accept_ra`;
    if (readSysctl(key) === '1') writeSysctl(key, '2');
  }
}
