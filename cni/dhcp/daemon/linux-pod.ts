/** A pod's interface in the kernel. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { lastIp } from '../../../shared/ip/cidr.ts';
import { formatMac } from '../../../shared/ip/mac.ts';
import { SCOPE } from '../../../shared/netlink/codec/address.ts';
import { IFF } from '../../../shared/netlink/codec/link.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { isNetlinkError } from '../../../shared/netlink/error.ts';
import { delAddress, replaceAddress } from '../../../shared/netlink/requests/address.ts';
import { setLink } from '../../../shared/netlink/requests/link.ts';
import { replaceRoute } from '../../../shared/netlink/requests/route.ts';
import { Rtnetlink } from '../../../shared/netlink/rtnetlink.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import type { OwnedFd } from '../../../shared/sys/fd.ts';
import { NotNetnsError, openNetns } from '../../../shared/sys/netns.ts';
import { fstat } from '../../../shared/sys/stat.ts';
import { invalidConfig, invalidNetns } from '../../protocol/error.ts';
import type { Route } from '../../protocol/result.ts';
import type { DhcpMessage } from '../codec/message.ts';
import type { Pod, PodIdentity, Wire } from './pod.ts';
import { PodGone } from './pod.ts';
import { openWire } from './wire.ts';

/** Where an interface is: the namespace's path as the daemon sees it, and a name. */
export interface PodPlace {
  readonly path: string;
  readonly ifname: string;
}

/** Finds a pod's interface and sets it up. @throws CniError 7 where there is none, 8 where there is no namespace */
export function findPod(place: PodPlace): Pod {
  using netns = openOrSay(place.path);
  using rtnetlink = Rtnetlink.open({ netns });
  const link = rtnetlink.linkByName(place.ifname);
  if (link?.mac?.length !== 6) {
    const what = link
      ? `${place.ifname} is no Ethernet interface`
      : `the pod has no interface ${place.ifname}`;
    throw invalidConfig(`${what}: DHCP asks through the interface, which the calling plugin makes first`);
  }
  if ((link.flags & IFF.UP) === 0) {
    rtnetlink.socket.request(setLink({ index: link.index, flags: IFF.UP, changeMask: IFF.UP }));
  }
  const identity = { netns: netnsId(netns), ifindex: link.index, mac: formatMac(link.mac) };
  const sharesMac = link.kind?.kind === 'other' && link.kind.name === 'ipvlan';
  return new LinuxPod(place, sharesMac ? { ...identity, sharesMac } : identity);
}

function openOrSay(path: string): OwnedFd {
  try {
    return openNetns(path);
  } catch (cause) {
    throw invalidNetns(`the DHCP daemon cannot open the network namespace ${path}`, {
      details:
        'it must see the same files as the runtime: run it in the mount namespace of the node, or set --hostprefix',
      cause,
    });
  }
}

/** Device and inode; the kernel gives an inode again only after the namespace has ended. */
function netnsId(netns: OwnedFd): string {
  const { dev, ino } = fstat(netns.fd);
  return `${dev}:${ino}`;
}

export class LinuxPod implements Pod {
  readonly identity: PodIdentity;
  readonly #place: PodPlace;

  constructor(place: PodPlace, identity: PodIdentity) {
    this.#place = place;
    this.identity = identity;
  }

  connect(onMessage: (message: DhcpMessage, via: Uint8Array) => void, onClosed: () => void): Wire {
    const { netns, mac } = this.#open();
    return openWire({ netns, ifindex: this.identity.ifindex, mac, onMessage, onClosed });
  }

  requirePresent(): void {
    this.#open().netns.close();
  }

  removeAddress(address: Cidr): void {
    const { socket } = this.#openSocket();
    using pod = socket;
    const [outcome] = pod.transact([delAddress({ index: this.identity.ifindex, address })]);
    if (outcome?.error && !isNetlinkError(outcome.error, 'EADDRNOTAVAIL')) throw outcome.error;
  }

  restoreAddress(address: Cidr, routes: readonly Route[]): void {
    const { socket } = this.#openSocket();
    using pod = socket;
    const index = this.identity.ifindex;
    const broadcast = address.prefix <= 30 ? { broadcast: lastIp(address) } : {};
    const requests = [replaceAddress({ index, address, ...broadcast })];
    for (const { dst, gw, scope, priority } of routes) {
      const spec = { destination: dst, oif: index, scope: scope ?? SCOPE.UNIVERSE };
      const gateway = gw === undefined || gw.value === 0n ? {} : { gateway: gw };
      requests.push(replaceRoute({ ...spec, ...gateway, ...(priority === undefined ? {} : { priority }) }));
    }
    for (const { error } of pod.transact(requests)) if (error) throw error;
  }

  #openSocket(): { readonly socket: NetlinkSocket } {
    using netns = this.#open().netns;
    return { socket: NetlinkSocket.open(NETLINK.ROUTE, { netns }) };
  }

  /**
   * The namespace, once it is sure that it is the same, with the same interface in it, and that one's hardware address:
   * plugins behind ours may have changed it.
   */
  #open(): { readonly netns: OwnedFd; readonly mac: Uint8Array } {
    const { path, ifname } = this.#place;
    const netns = openIfThere(path);
    try {
      if (netnsId(netns) !== this.identity.netns) throw new PodGone(`${path} is another namespace now`);
      using rtnetlink = Rtnetlink.open({ netns });
      const mac = rtnetlink.linkByIndex(this.identity.ifindex)?.mac;
      if (!mac) throw new PodGone(`the interface ${ifname} in ${path} is gone`);
      return { netns, mac };
    } catch (error) {
      netns.close();
      throw error;
    }
  }
}

function openIfThere(path: string): OwnedFd {
  try {
    return openNetns(path);
  } catch (cause) {
    const gone = cause instanceof NotNetnsError || isErrno(cause, 'ENOENT', 'ENOTDIR', 'ESRCH');
    if (gone) throw new PodGone(`the namespace ${path} is gone`, { cause });
    throw cause;
  }
}
