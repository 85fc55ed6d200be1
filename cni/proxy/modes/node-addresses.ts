/** Tells when the node's addresses change, on which node ports are served, and when somebody else changes our device. */

import type { Clock } from '../../../shared/daemon/clock.ts';
import { RTM, RTNLGRP } from '../../../shared/netlink/codec/constants.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { u32 } from '../../../shared/netlink/codec/read.ts';
import { NetlinkMonitor } from '../../../shared/netlink/monitor.ts';
import type { Rtnetlink } from '../../../shared/netlink/rtnetlink.ts';
import { notFrom } from '../../../shared/nftables/foreign-changes.ts';
import { nodeAddressesOf } from '../ipvs/linux-kernel.ts';
import { DEVICE } from '../ipvs/names.ts';
import type { Family } from '../model/endpoint.ts';

/** Milliseconds for addresses to come together, such as those of one link. */
const SETTLE = 200;

/**
 * @param links whose own changes are not told of; IPv6's the kernel tells without saying whose they are, so that of our
 *   device's addresses only IPv4's are looked at
 */
export async function watchAddresses(
  family: Family,
  links: Rtnetlink,
  clock: Clock,
  onChange: () => void,
  onError: (error: unknown) => void,
): Promise<Disposable> {
  let known = nodeAddressesOf(links, family).join();
  let device = links.linkByName(DEVICE)?.index;
  let timer: { cancel(): void } | undefined;
  const look = (): void => {
    timer = undefined;
    const now = nodeAddressesOf(links, family).join();
    if (now === known) return;
    known = now;
    onChange();
  };
  const monitor = await NetlinkMonitor.open({
    protocol: NETLINK.ROUTE,
    groups: [RTNLGRP.LINK, family === 4 ? RTNLGRP.IPV4_IFADDR : RTNLGRP.IPV6_IFADDR],
    filter: notFrom([links.socket.portId]),
    onMessages: (messages) => {
      let isOurs = false;
      device ??= links.linkByName(DEVICE)?.index;
      for (const { type, payload } of messages) {
        // struct ifaddrmsg and struct ifinfomsg have the link's index at the same place.
        const isDevice = u32(payload, 4) === device;
        if (type === RTM.DELLINK && isDevice) {
          isOurs = true;
          device = undefined;
        } else if (type !== RTM.NEWADDR && type !== RTM.DELADDR) continue;
        else if (!isDevice) timer ??= clock.after(SETTLE, look);
        else if (family === 4) isOurs = true;
      }
      if (isOurs) onChange();
    },
    onResync: onChange,
    onError,
  });
  return {
    [Symbol.dispose]: () => {
      timer?.cancel();
      monitor[Symbol.dispose]();
    },
  };
}
