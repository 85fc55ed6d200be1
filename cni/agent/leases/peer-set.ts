/**
 * The other nodes, as far as the registry told of them. Pure, given the time.
 *
 * A registry that lost its memory (a damaged store was set aside) lists only the nodes that have registered again.
 * Those that are missing then are most likely alive and talking: they are carried on until the lease that was last
 * seen of them ends, and let go early only if the registry itself says that they were removed.
 *
 * No times are compared that different clocks, or different settings of one, have shown: whether the registry knew a
 * peer since it lost its memory is told by its epoch, and what is left of a lease is counted by the boot clock.
 */

import { type Cidr, cidrEquals, formatCidr } from '../../../shared/ip/cidr.ts';
import type { Instant } from '../../../shared/store/clock.ts';
import { type LeaseTerm, remainingMs } from '../../../shared/store/lease-time.ts';
import {
  LEASE_DURATION_MS,
  type LeaseEvent,
  type LeaseList,
  type NodeLease,
} from '../../../shared/store/registry.ts';
import { sameButExpiry } from './lease-json.ts';

export interface KnownPeer {
  readonly lease: NodeLease;
  /** The registry's epoch when it last confirmed it. */
  readonly epoch: string;
  /** How much of its lease was left when that was last known; of a registry without expiry, forever. */
  readonly term: LeaseTerm;
  /** The registry has lost it: it is carried on until the end of `term`. */
  readonly carried?: true;
}

/** What became of an update. */
export interface PeerChange {
  /** Peers joined, left or changed in more than the end of their lease. */
  readonly changed: boolean;
  /** The node's own lease is not in the registry any more. */
  readonly ownLost: boolean;
  /** The node's own lease as the registry has it now, where it told of it. */
  readonly own?: NodeLease;
  /** The registry had lost its memory since it was last listed. */
  readonly rebuilt: boolean;
}

/** One that joined or changed, or, without a lease, left. */
export interface ChangedPeer {
  readonly node: string;
  readonly lease?: NodeLease;
}

/** The peers for whoever programs them. */
export interface PeerView {
  /** Another one after each change. */
  readonly version: number;
  /** The peers' leases: the same array until something changes. */
  readonly leases: readonly NodeLease[];
  /** Who has changed since that version, each once; `undefined` where only a look at all of them tells. */
  changedSince(version: number): readonly ChangedPeer[] | undefined;
}

/** So many changes are remembered one by one. */
const JOURNAL = 1000;

export class PeerSet implements PeerView {
  readonly #self: string;
  readonly #subnetIsName: boolean;
  #peers = new Map<string, KnownPeer>();
  #epoch: string | undefined;
  #leases: readonly NodeLease[] | undefined;
  #own: NodeLease | undefined;
  #version = 0;
  /** Who changed by each of the latest versions, of which the first is `#journalStart` + 1. */
  #journal: string[] = [];
  #journalStart = 0;
  /** False: surely none is carried. */
  #mayCarry = false;

  /**
   * @param self the node's own name, which is no peer
   * @param subnetIsName see NodeRegistry
   */
  constructor(self: string, known: readonly KnownPeer[] = [], subnetIsName = false) {
    this.#self = self;
    this.#subnetIsName = subnetIsName;
    for (const peer of known) {
      if (peer.lease.node === self) continue;
      this.#peers.set(peer.lease.node, peer);
      if (peer.carried) this.#mayCarry = true;
    }
  }

  get version(): number {
    return this.#version;
  }

  changedSince(version: number): readonly ChangedPeer[] | undefined {
    if (version < this.#journalStart || version > this.#version) return undefined;
    const nodes = new Set(this.#journal.slice(version - this.#journalStart));
    return [...nodes].map((node) => {
      const lease = this.#peers.get(node)?.lease;
      return lease && !this.#isOwn(lease) ? { node, lease } : { node };
    });
  }

  get leases(): readonly NodeLease[] {
    this.#leases ??= [...this.#peers.values()]
      .map((peer) => peer.lease)
      .filter((lease) => !this.#isOwn(lease));
    return this.#leases;
  }

  /**
   * The node's lease. Where nodes are named after their subnets, who has its subnet is no peer but the node itself, before
   * it has registered. Elsewhere it is another one, which the backend refuses and tells of.
   */
  setOwn(lease: NodeLease): void {
    if (this.#own && sameButExpiry(this.#own, lease)) return;
    this.#own = lease;
    if (this.#subnetIsName) this.#changedAll();
  }

  /** All that is known, for the cache file. */
  get known(): readonly KnownPeer[] {
    return [...this.#peers.values()];
  }

  /** How many peers the registry does not know at present. */
  get carried(): number {
    if (!this.#mayCarry) return 0;
    let carried = 0;
    for (const peer of this.#peers.values()) if (peer.carried) carried += 1;
    return carried;
  }

  /** Takes over a list. */
  applyList(list: LeaseList, now: Instant): PeerChange {
    const before = this.#peers;
    const { epoch } = list;
    const rebuilt = list.rebuiltAt !== undefined && epoch !== this.#epoch;
    this.#epoch = epoch;
    const after = new Map<string, KnownPeer>();
    for (const lease of list.leases) {
      if (lease.node !== this.#self) after.set(lease.node, { lease, epoch, term: termOf(lease, now) });
    }
    /** Of thousands of leases: made once somebody asks. */
    let taken: ReadonlySet<string> | undefined;
    for (const [node, peer] of before) {
      if (after.has(node) || list.rebuiltAt === undefined || peer.epoch === epoch) continue;
      if (this.#isOwn(peer.lease)) continue;
      taken ??= new Set(list.leases.flatMap(subnetsOf));
      if (isOneOf(taken, peer.lease)) continue;
      const endless = !Number.isFinite(peer.term.durationMs);
      const term = endless ? { renewed: now, durationMs: LEASE_DURATION_MS } : peer.term;
      if (leftOf(term, now) <= 0) continue;
      after.set(node, { ...peer, term, carried: true });
      this.#mayCarry = true;
    }
    this.#peers = after;
    const changed =
      before.size !== after.size ||
      [...after].some(([node, { lease }]) => {
        const old = before.get(node);
        return !old || !sameButExpiry(old.lease, lease);
      });
    if (changed) this.#changedAll();
    const own = list.leases.find((lease) => lease.node === this.#self);
    return { changed, ownLost: own === undefined, ...(own && { own }), rebuilt };
  }

  /** Takes over what a watch told that began with the last list. */
  applyEvents(events: readonly LeaseEvent[], now: Instant): PeerChange {
    const epoch = this.#epoch ?? '';
    let changed = false;
    let own: NodeLease | undefined;
    let ownLost = false;
    const anyCarried = this.carried > 0;
    for (const event of events) {
      const node = event.type === 'set' ? event.lease.node : event.node;
      if (node === this.#self) {
        ownLost = event.type === 'removed';
        own = event.type === 'set' ? event.lease : undefined;
        continue;
      }
      if (event.type === 'removed') {
        if (this.#peers.delete(node)) {
          changed = true;
          this.#changedOne(node);
        }
        continue;
      }
      const old = this.#peers.get(node);
      this.#peers.set(node, { lease: event.lease, epoch, term: termOf(event.lease, now) });
      if (!old || !sameButExpiry(old.lease, event.lease)) {
        changed = true;
        this.#changedOne(node);
      }
      if (anyCarried) changed = this.#dropCarriedOn(event.lease) || changed;
    }
    return { changed, ownLost, ...(own && { own }), rebuilt: false };
  }

  /** Lets carried peers go whose time has passed; true if there were any. */
  dropExpired(now: Instant): boolean {
    let dropped = false;
    for (const [node, peer] of this.#peers) {
      if (!peer.carried || leftOf(peer.term, now) > 0) continue;
      this.#peers.delete(node);
      this.#changedOne(node);
      dropped = true;
    }
    return dropped;
  }

  /** In how many milliseconds the next carried peer has to go; `Infinity` where there is none. */
  nextExpiry(now: Instant): number {
    return Math.min(
      Number.POSITIVE_INFINITY,
      ...this.known.filter((peer) => peer.carried).map((peer) => leftOf(peer.term, now)),
    );
  }

  /** A subnet that the registry gave to somebody is no longer the carried peer's. */
  #dropCarriedOn(lease: NodeLease): boolean {
    const taken = subnetsOf(lease);
    let dropped = false;
    for (const [node, peer] of this.#peers) {
      if (!peer.carried || node === lease.node) continue;
      if (!subnetsOf(peer.lease).some((subnet) => taken.includes(subnet))) continue;
      this.#peers.delete(node);
      this.#changedOne(node);
      dropped = true;
    }
    return dropped;
  }

  #isOwn(lease: NodeLease): boolean {
    return this.#subnetIsName && this.#own !== undefined && haveSameSubnet(lease, this.#own);
  }

  #changedOne(node: string): void {
    this.#leases = undefined;
    this.#version += 1;
    this.#journal.push(node);
    if (this.#journal.length < 2 * JOURNAL) return;
    this.#journal = this.#journal.slice(-JOURNAL);
    this.#journalStart = this.#version - JOURNAL;
  }

  #changedAll(): void {
    this.#leases = undefined;
    this.#version += 1;
    this.#journal = [];
    this.#journalStart = this.#version;
  }
}

function termOf(lease: NodeLease, now: Instant): LeaseTerm {
  const left = lease.expiresAt - now.wallMs;
  // A lease that the registry shows is not over: if it looks so, the time was set just now.
  return { renewed: now, durationMs: left > 0 ? left : LEASE_DURATION_MS };
}

/**
 * Milliseconds that are left of a term, never more than it had: a machine without a battery for its clock starts in
 * 1970.
 */
export function leftOf(term: LeaseTerm, now: Instant): number {
  return Math.min(term.durationMs, remainingMs(term, now));
}

function haveSameSubnet(a: NodeLease, b: NodeLease): boolean {
  return isSame(a.subnet, b.subnet) || isSame(a.subnetV6, b.subnetV6);
}

function isSame(a: Cidr | undefined, b: Cidr | undefined): boolean {
  return a !== undefined && b !== undefined && cidrEquals(a, b);
}

function isOneOf(taken: ReadonlySet<string>, lease: NodeLease): boolean {
  return subnetsOf(lease).some((subnet) => taken.has(subnet));
}

function subnetsOf({ subnet, subnetV6 }: NodeLease): string[] {
  return [subnet, subnetV6].filter((cidr) => cidr !== undefined).map(formatCidr);
}
