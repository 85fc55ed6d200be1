/** One lease's interface, as the daemon sees it: a seam between the client and the kernel. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import type { Route } from '../../protocol/result.ts';
import type { Lease } from '../client/lease.ts';
import type { DhcpMessage } from '../codec/message.ts';

/** What tells an interface from a later one of the same name. */
export interface PodIdentity {
  /** Device and inode of the namespace, in nsfs. */
  readonly netns: string;
  readonly ifindex: number;
  /** Six bytes in text. */
  readonly mac: string;
  /** Others on the link have the same hardware address (ipvlan): only a broadcast reaches one without an address. */
  readonly sharesMac?: boolean;
}

/** An interface in a network namespace. Nothing of it is held between calls: the namespace must be able to end. */
export interface Pod {
  readonly identity: PodIdentity;
  /** Opens a wire for an exchange. @throws PodGone; SyscallError when the interface is down */
  connect(onMessage: (message: DhcpMessage, via: Uint8Array) => void, onClosed: () => void): Wire;
  /** Takes the address away; one that is not there is fine. @throws PodGone */
  removeAddress(address: Cidr): void;
  /** Gives the address and its routes back. @throws PodGone */
  restoreAddress(address: Cidr, routes: readonly Route[]): void;
  /** @throws PodGone */
  requirePresent(): void;
}

/** Where messages go out and come in, for as long as an exchange takes. */
export interface Wire {
  /** To everybody on the link. @throws SyscallError ENETDOWN, ENXIO */
  broadcast(message: DhcpMessage): void;
  /** From the lease's address to its server, the way that the pod's routes lead; else as `broadcast`. */
  toServer(message: DhcpMessage, lease: Lease): void;
  /** To the server by the way its last answer came: leaves at once, without asking for its hardware address. */
  parting(message: DhcpMessage, lease: Lease): void;
  close(): void;
}

/** The namespace or the interface is not there any more, or is another one. */
export class PodGone extends Error {
  override readonly name = 'PodGone';
}
