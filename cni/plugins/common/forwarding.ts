import { RTPROT } from '../../../shared/netlink/codec/route.ts';
import type { Rtnetlink } from '../../../shared/netlink/rtnetlink.ts';
import { readSysctl, writeSysctl } from '../../../shared/sys/sysctl.ts';
import { readLink } from './links.ts';

/** Lets the node forward packets of a family between its interfaces. */
export function enableForwarding(host: Rtnetlink, family: 4 | 6): void {
  const key = family === 4 ? 'net/ipv4/ip_forward' : 'net/ipv6/conf/all/forwarding';
  if (readSysctl(key) === '1') return;
  if (family === 6) keepRouterAdvertisements(host);
  writeSysctl(key, '1');
}

/**
 * A node that forwards IPv6 takes itself for a router and ignores router advertisements (accept_ra=1), so one that
 * got its own default route by them would lose it within minutes. accept_ra=2 listens nevertheless.
 */
function keepRouterAdvertisements(host: Rtnetlink): void {
  const learned = new Set(
    host
      .routes({ family: 6 })
      .filter(({ protocol }) => protocol === RTPROT.RA)
      .map(({ oif }) => oif),
  );
  for (const index of learned) {
    const link = index === undefined ? undefined : readLink(host.socket, { index });
    if (!link) continue;
    const key = `net/ipv6/conf/${link.name}/accept_ra`;
    if (readSysctl(key) === '1') writeSysctl(key, '2');
  }
}
