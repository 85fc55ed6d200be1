import type { OwnedFd } from '../sys/fd.ts';
import {
  decodeRealServer,
  decodeTimeouts,
  decodeVirtualServer,
  IPVS_FAMILY,
  type IpvsTimeouts,
  type RealServer,
  type VirtualServer,
  type VirtualServerKey,
} from './codec/ipvs.ts';
import { NetlinkError } from './error.ts';
import { GenericNetlink } from './generic.ts';
import { dumpRealServers, dumpVirtualServers, getTimeouts } from './requests/ipvs.ts';
import type { NetlinkSocket } from './socket.ts';

/** EOPNOTSUPP, asm-generic/errno.h. */
const EOPNOTSUPP = 95;

/** IPVS's servers of one network namespace. Writing: `socket`, with requests for `family`. */
export class Ipvs implements Disposable {
  readonly #generic: GenericNetlink;

  /** Takes ownership of `generic`. */
  constructor(generic: GenericNetlink) {
    this.#generic = generic;
  }

  static open(options: { readonly netns?: OwnedFd } = {}): Ipvs {
    return new Ipvs(GenericNetlink.open(options));
  }

  get socket(): NetlinkSocket {
    return this.#generic.socket;
  }

  /** The kernel has it, loaded by the question where it is a module. */
  get isThere(): boolean {
    return this.#generic.family(IPVS_FAMILY) !== undefined;
  }

  /** The number for requests. @throws NetlinkError where the kernel has no IPVS */
  get family(): number {
    const family = this.#generic.family(IPVS_FAMILY);
    if (!family) throw new NetlinkError('find IPVS, which this kernel does not have', { errno: EOPNOTSUPP });
    return family.id;
  }

  /** All virtual servers but those by firewall mark. */
  virtualServers(): VirtualServer[] {
    return this.socket
      .dump(dumpVirtualServers(this.family))
      .map(({ payload }) => decodeVirtualServer(payload))
      .filter((server) => server !== undefined);
  }

  /** The real servers of a virtual one; none where there is no such. */
  realServers(of: VirtualServerKey): RealServer[] {
    return this.socket
      .dump(dumpRealServers(this.family, of))
      .map(({ payload }) => decodeRealServer(payload, of.address.family));
  }

  timeouts(): IpvsTimeouts {
    const [reply] = this.socket.request(getTimeouts(this.family));
    if (!reply) throw new Error("IPVS's timeouts: no answer");
    return decodeTimeouts(reply.payload);
  }

  [Symbol.dispose](): void {
    this.#generic[Symbol.dispose]();
  }
}
