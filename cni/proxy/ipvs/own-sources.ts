/**
 * Addresses of services that the node's own connections come from. Since the device has them, they are the node's, and what the
 * node sends to one of them comes from it, unless its route says otherwise. Who took the address away would end these connections.
 */

import { type Ip, ipEquals, parseIp } from '../../../shared/ip/ip.ts';
import { type Route, RT_TABLE, RTN, RTPROT } from '../../../shared/netlink/codec/route.ts';
import { delRoute, replaceRoute } from '../../../shared/netlink/requests/route.ts';
import type { Rtnetlink } from '../../../shared/netlink/rtnetlink.ts';
import { tcpSources } from '../conntrack/clean-up.ts';
import { type Address, type Family, packAddress, unpackAddress } from '../model/endpoint.ts';
import { DEVICE } from './names.ts';

/** Somewhere outside (RFC 5737): what the node sends there comes from the address that others know it by. */
const OUTSIDE = parseIp('203.0.113.1') as Ip;

export class OwnSources {
  readonly #family: Family;
  readonly #links: Rtnetlink;

  constructor(family: Family, links: Rtnetlink) {
    this.#family = family;
    this.#links = links;
  }

  /**
   * From now on the node's connections to the device's addresses come from another address of the node. Of IPv6 the kernel lets
   * nobody say so.
   *
   * @param others addresses of the node
   * @returns those of the addresses that TCP connections come from which are still open, or have just ended
   */
  release(addresses: ReadonlySet<Address>, others: readonly Address[]): ReadonlySet<Address> {
    const [other] = others;
    if (this.#family === 6 || other === undefined) return new Set();
    const source = this.#links.routeTo(OUTSIDE)?.preferredSource;
    const preferredSource = source && others.includes(packAddress(source)) ? source : unpackAddress(other);
    const own = this.#routes().filter(
      (route) => route.preferredSource && ipEquals(route.preferredSource, route.destination.ip),
    );
    this.#links.socket.requestAll(
      own.map(({ destination, oif = 0 }) =>
        replaceRoute({ ...LOCAL, protocol: RTPROT.KERNEL, destination, oif, preferredSource }),
      ),
    );
    return addresses.intersection(tcpSources(this.#family));
  }

  /** Deletes what is left of addresses that are gone: the kernel does not know a route again that was changed. */
  forget(addresses: Iterable<Address>): void {
    if (this.#family === 6) return;
    const gone = new Set(addresses);
    if (gone.size === 0) return;
    const left = this.#routes().filter(({ destination }) => gone.has(packAddress(destination.ip)));
    this.#links.socket.transact(
      left.map(({ destination, oif = 0 }) => delRoute({ ...LOCAL, destination, oif })),
    );
  }

  #routes(): Route[] {
    const oif = this.#links.linkByName(DEVICE)?.index;
    return oif === undefined ? [] : this.#links.routes({ family: this.#family, ...LOCAL, oif });
  }
}

const LOCAL = { table: RT_TABLE.LOCAL, type: RTN.LOCAL } as const;
