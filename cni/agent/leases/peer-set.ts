/**
 * The other nodes, as far as the registry told of them. Pure, given the time.
 *
 * A registry that lost its memory (a damaged store was set aside) lists only the nodes that have registered again.
 * Those that are missing then are most likely alive and talking: they are carried on until the lease that was last
 * seen of them ends, and let go early only if the registry itself says that they were removed.
 */

import { formatCidr } from '../../../shared/ip/cidr.ts';
import {
  LEASE_DURATION_MS,
  type LeaseEvent,
  type LeaseList,
  type NodeLease,
} from '../../../shared/store/registry.ts';
import { sameButExpiry } from './lease-json.ts';

export interface KnownPeer {
  readonly lease: NodeLease;
  /** When the registry last confirmed it (ms since the epoch). */
  readonly confirmedAt: number;
  /** Set while the registry does not know it: until then (ms since the epoch) it is carried on. */
  readonly carriedUntil?: number;
}

/** What became of an update. */
export interface PeerChange {
  /** Peers joined, left or changed in more than the end of their lease. */
  readonly changed: boolean;
  /** The node's own lease is not in the registry any more. */
  readonly ownLost: boolean;
}

export class PeerSet {
  readonly #self: string;
  #peers = new Map<string, KnownPeer>();
  #leases: readonly NodeLease[] | undefined;

  /** @param self the node's own name, which is no peer */
  constructor(self: string, known: readonly KnownPeer[] = []) {
    this.#self = self;
    for (const peer of known) if (peer.lease.node !== self) this.#peers.set(peer.lease.node, peer);
  }

  /** The peers' leases: the same array until something changes. */
  get leases(): readonly NodeLease[] {
    this.#leases ??= [...this.#peers.values()].map((peer) => peer.lease);
    return this.#leases;
  }

  /** All that is known, for the cache file. */
  get known(): readonly KnownPeer[] {
    return [...this.#peers.values()];
  }

  /** How many peers the registry does not know at present. */
  get carried(): number {
    return this.known.filter((peer) => peer.carriedUntil !== undefined).length;
  }

  /** Takes over a list. @param now ms since the epoch */
  applyList(list: LeaseList, now: number): PeerChange {
    const before = this.#peers;
    const after = new Map<string, KnownPeer>();
    for (const lease of list.leases) {
      if (lease.node !== this.#self) after.set(lease.node, { lease, confirmedAt: now });
    }
    const taken = new Set(list.leases.flatMap(subnetsOf));
    for (const [node, peer] of before) {
      if (after.has(node) || list.rebuiltAt === undefined || peer.confirmedAt > list.rebuiltAt) continue;
      if (subnetsOf(peer.lease).some((subnet) => taken.has(subnet))) continue;
      const { expiresAt } = peer.lease;
      const carriedUntil = Number.isFinite(expiresAt) ? expiresAt : list.rebuiltAt + LEASE_DURATION_MS;
      if (carriedUntil > now) after.set(node, { ...peer, carriedUntil });
    }
    this.#peers = after;
    const changed =
      before.size !== after.size ||
      [...after].some(([node, { lease }]) => {
        const old = before.get(node);
        return !old || !sameButExpiry(old.lease, lease);
      });
    if (changed) this.#leases = undefined;
    return { changed, ownLost: !list.leases.some((lease) => lease.node === this.#self) };
  }

  /** Takes over what a watch told. @param now ms since the epoch */
  applyEvents(events: readonly LeaseEvent[], now: number): PeerChange {
    let changed = false;
    let ownLost = false;
    const anyCarried = this.carried > 0;
    for (const event of events) {
      const node = event.type === 'set' ? event.lease.node : event.node;
      if (node === this.#self) {
        ownLost = event.type === 'removed';
        continue;
      }
      if (event.type === 'removed') {
        changed = this.#peers.delete(node) || changed;
        continue;
      }
      const old = this.#peers.get(node);
      this.#peers.set(node, { lease: event.lease, confirmedAt: now });
      if (!old || !sameButExpiry(old.lease, event.lease)) changed = true;
      if (anyCarried) changed = this.#dropCarriedOn(event.lease) || changed;
    }
    if (changed) this.#leases = undefined;
    return { changed, ownLost };
  }

  /** Lets carried peers go whose time has passed; true if there were any. @param now ms since the epoch */
  dropExpired(now: number): boolean {
    let dropped = false;
    for (const [node, peer] of this.#peers) {
      if (peer.carriedUntil === undefined || peer.carriedUntil > now) continue;
      this.#peers.delete(node);
      dropped = true;
    }
    if (dropped) this.#leases = undefined;
    return dropped;
  }

  /** When the next carried peer has to go (ms since the epoch). */
  nextExpiry(): number | undefined {
    const ends = this.known.flatMap((peer) => (peer.carriedUntil === undefined ? [] : [peer.carriedUntil]));
    return ends.length === 0 ? undefined : Math.min(...ends);
  }

  /** A subnet that the registry gave to somebody is no longer the carried peer's. */
  #dropCarriedOn(lease: NodeLease): boolean {
    const taken = subnetsOf(lease);
    let dropped = false;
    for (const [node, peer] of this.#peers) {
      if (peer.carriedUntil === undefined || node === lease.node) continue;
      if (!subnetsOf(peer.lease).some((subnet) => taken.includes(subnet))) continue;
      this.#peers.delete(node);
      dropped = true;
    }
    return dropped;
  }
}

function subnetsOf({ subnet, subnetV6 }: NodeLease): string[] {
  return [subnet, subnetV6].filter((cidr) => cidr !== undefined).map(formatCidr);
}
