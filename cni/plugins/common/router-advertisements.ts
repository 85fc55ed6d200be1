import { acceptRaToRaise } from '../../../shared/netlink/router-advertisements.ts';
import { Rtnetlink } from '../../../shared/netlink/rtnetlink.ts';
import { readSysctl, writeSysctl } from '../../../shared/sys/sysctl.ts';

/** Lets interfaces that live on router advertisements go on doing so when the node forwards IPv6. */
export function keepRouterAdvertisements(): void {
  using host = Rtnetlink.open();
  const network = {
    links: host.links(),
    addresses: host.addresses({ family: 6 }),
    routes: host.routes({ family: 6 }),
  };
  for (const key of acceptRaToRaise(network, readSysctl)) writeSysctl(key, '2');
}
