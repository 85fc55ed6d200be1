import type { Ip } from '../ip/ip.ts';
import type { OwnedFd } from '../sys/fd.ts';
import { type Address, decodeAddress } from './codec/address.ts';
import { decodeFdb, type FdbEntry } from './codec/fdb.ts';
import { decodeLink, type Link } from './codec/link.ts';
import { NETLINK } from './codec/message.ts';
import { decodeNeighbour, type Neighbour } from './codec/neighbour.ts';
import { decodeRoute, type Route } from './codec/route.ts';
import { decodeRule, type Rule } from './codec/rule.ts';
import { isNetlinkError } from './error.ts';
import { dumpAddresses } from './requests/address.ts';
import { dumpBridgePorts, dumpLinks, getLink, type LinkKey } from './requests/link.ts';
import { dumpFdb, dumpNeighbours } from './requests/neighbour.ts';
import { dumpRoutes, getRoute, type RouteFilter, type RouteQuery } from './requests/route.ts';
import { dumpRules } from './requests/rule.ts';
import { NetlinkSocket } from './socket.ts';

/** Reads links, addresses, routes, rules and neighbours of one network namespace as objects. Writing: `socket`. */
export class Rtnetlink implements Disposable {
  readonly socket: NetlinkSocket;

  /** Takes ownership of `socket`. */
  constructor(socket: NetlinkSocket) {
    this.socket = socket;
  }

  static open(options: { readonly netns?: OwnedFd } = {}): Rtnetlink {
    return new Rtnetlink(NetlinkSocket.open(NETLINK.ROUTE, options));
  }

  /** All links, or the ports of the bridge `master`, or those of a kind ('veth'). */
  links(filter: { readonly master?: number; readonly kind?: string } = {}): Link[] {
    return this.socket.dump(dumpLinks(filter)).map((message) => decodeLink(message.payload));
  }

  /** One link, with its options as a bridge port; undefined when there is none. */
  link(key: LinkKey): Link | undefined {
    try {
      const reply = this.socket.request(getLink(key))[0];
      return reply && decodeLink(reply.payload);
    } catch (error) {
      if (isNetlinkError(error, 'ENODEV')) return undefined;
      throw error;
    }
  }

  linkByName(name: string): Link | undefined {
    return this.link({ name });
  }

  linkByIndex(index: number): Link | undefined {
    return this.link({ index });
  }

  /** The ports of all bridges with their options and VLANs; each bridge is among them, without `port`. */
  bridgePorts(): Link[] {
    return this.socket.dump(dumpBridgePorts()).map((message) => decodeLink(message.payload));
  }

  addresses(filter: { readonly family?: 4 | 6; readonly index?: number } = {}): Address[] {
    return this.socket.dump(dumpAddresses(filter)).map((message) => decodeAddress(message.payload));
  }

  /** The routes of a family; a table that does not exist has none. */
  routes(filter: RouteFilter): Route[] {
    try {
      return this.socket.dump(dumpRoutes(filter)).map((message) => decodeRoute(message.payload));
    } catch (error) {
      if (filter.table !== undefined && isNetlinkError(error, 'ENOENT')) return [];
      throw error;
    }
  }

  /** The route that the kernel would take; undefined when there is none or it refuses to (unreachable, prohibit). */
  routeTo(destination: Ip, query: RouteQuery = {}): Route | undefined {
    try {
      const reply = this.socket.request(getRoute(destination, query))[0];
      return reply && decodeRoute(reply.payload);
    } catch (error) {
      if (isNetlinkError(error, 'ENETUNREACH', 'EHOSTUNREACH', 'EACCES')) return undefined;
      throw error;
    }
  }

  rules(family: 4 | 6): Rule[] {
    return this.socket.dump(dumpRules(family)).map((message) => decodeRule(message.payload));
  }

  neighbours(family: 4 | 6, filter: { readonly index?: number } = {}): Neighbour[] {
    return this.socket
      .dump(dumpNeighbours(family, filter))
      .map((message) => decodeNeighbour(message.payload));
  }

  /** Forwarding entries: all, of one port or VXLAN device (`index`), of one bridge (`master`). */
  fdb(filter: { readonly index?: number; readonly master?: number } = {}): FdbEntry[] {
    return this.socket.dump(dumpFdb(filter)).map((message) => decodeFdb(message.payload));
  }

  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
  }
}
