/**
 * The peers' entries, kept peer by peer: a change of one peer is dealt with without looking at the others, but for those
 * that claim the same thing. What the table holds depends on the leases in it alone, never on the order in which they
 * came, so that an agent that saw every change and one that has just started agree. Pure.
 */

import type { NodeLease } from '../../../shared/store/registry.ts';
import type { Entries } from '../network/desired.ts';
import type { Backend, Claim, NodeContext, PeerPath } from './backend.ts';

export interface SkippedPeer {
  readonly node: string;
  readonly why: string;
}

/** What a change of one peer means for the entries of all: those that went and those that came. */
export interface PeerDelta {
  readonly before: Entries;
  readonly after: Entries;
}

/** One peer: its ways, each with the reason why it is not gone. */
interface Row {
  readonly node: string;
  readonly paths: readonly PeerPath[];
  /** Why ways are missing that the peer itself makes impossible. */
  readonly refused: readonly string[];
}

const NO_ROW: Row = { node: '', paths: [], refused: [] };

export class PeerTable {
  readonly #backend: Pick<Backend, 'peer'>;
  readonly #context: NodeContext;
  readonly #rows = new Map<string, Row>();
  /** Who claims what: space → key → the node, or the nodes in order of their names. */
  readonly #claims = new Map<string, Map<Claim['key'], string | string[]>>();
  /** How many things several nodes claim: none, as a rule. */
  #contested = 0;
  /** Of each node that cannot be reached; `undefined` until somebody asks. */
  #skips: Map<string, readonly SkippedPeer[]> | undefined;

  /** Of another context (lease, underlay, direct ways), another table. */
  constructor(backend: Pick<Backend, 'peer'>, context: NodeContext, leases: readonly NodeLease[] = []) {
    this.#backend = backend;
    this.#context = context;
    for (const lease of leases) this.#put(this.#rowOf(lease));
  }

  get size(): number {
    return this.#rows.size;
  }

  /** A peer joined or changed. */
  set(lease: NodeLease): PeerDelta {
    const row = this.#rowOf(lease);
    return this.#exchange(lease.node, row);
  }

  /** A peer left. */
  remove(node: string): PeerDelta {
    return this.#exchange(node, undefined);
  }

  /** The entries of all peers. */
  entries(): Entries {
    const all = new Collected();
    for (const row of this.#rows.values()) this.#collect(row, all);
    return all;
  }

  /** Peers that cannot be reached, wholly or in one family, and why. */
  skipped(): SkippedPeer[] {
    if (!this.#skips) {
      this.#skips = new Map();
      for (const node of this.#rows.keys()) this.#judge(node, this.#skips);
    }
    return [...this.#skips.values()].flat();
  }

  #judge(node: string, skips: Map<string, readonly SkippedPeer[]>): void {
    const row = this.#rows.get(node);
    const skipped: SkippedPeer[] = [];
    for (const why of row?.refused ?? []) skipped.push({ node, why });
    for (const path of row?.paths ?? []) {
      const why = row && this.#obstacleOf(row, path);
      if (why !== undefined) skipped.push({ node, why });
    }
    if (skipped.length > 0) skips.set(node, skipped);
    else skips.delete(node);
  }

  #rowOf(lease: NodeLease): Row {
    const paths: PeerPath[] = [];
    let refused: string[] | undefined;
    for (const way of this.#backend.peer(lease, this.#context)) {
      if (typeof way !== 'string') paths.push(way);
      else if (refused) refused.push(way);
      else refused = [way];
    }
    return { node: lease.node, paths, refused: refused ?? NO_ROW.refused };
  }

  #exchange(node: string, row: Row | undefined): PeerDelta {
    const old = this.#rows.get(node);
    // Rivals for what is let go or claimed: their ways may open or close.
    const affected = new Set([node]);
    for (const each of [old, row]) {
      for (const path of each?.paths ?? []) {
        for (const claim of path.claims) for (const rival of this.#claimantsOf(claim)) affected.add(rival);
      }
    }
    const before = this.#entriesOf(affected);
    if (old) this.#take(old);
    if (row) this.#put(row);
    if (this.#skips) for (const each of affected) this.#judge(each, this.#skips);
    return { before, after: this.#entriesOf(affected) };
  }

  #entriesOf(nodes: ReadonlySet<string>): Entries {
    const all = new Collected();
    for (const node of nodes) {
      const row = this.#rows.get(node);
      if (row) this.#collect(row, all);
    }
    return all;
  }

  #collect(row: Row, into: Collected): void {
    for (const path of row.paths) if (this.#obstacleOf(row, path) === undefined) into.add(path.entries);
  }

  #put(row: Row): void {
    this.#rows.set(row.node, row);
    for (const path of row.paths) for (const claim of path.claims) this.#addClaim(claim, row.node);
  }

  #take(row: Row): void {
    this.#rows.delete(row.node);
    for (const path of row.paths) for (const claim of path.claims) this.#dropClaim(claim, row.node);
  }

  #addClaim({ space, key }: Claim, node: string): void {
    let keys = this.#claims.get(space);
    if (!keys) {
      keys = new Map();
      this.#claims.set(space, keys);
    }
    const there = keys.get(key);
    if (there === undefined) {
      keys.set(key, node);
    } else if (there !== node) {
      if (typeof there === 'string') this.#contested += 1;
      keys.set(key, [...new Set([there, node].flat())].sort());
    }
  }

  #dropClaim({ space, key }: Claim, node: string): void {
    const keys = this.#claims.get(space);
    const there = keys?.get(key);
    if (typeof there !== 'object') {
      if (there === node) keys?.delete(key);
      return;
    }
    const rest = there.filter((each) => each !== node);
    if (rest.length === 1) this.#contested -= 1;
    keys?.set(key, rest.length === 1 ? (rest[0] as string) : rest);
  }

  #claimantsOf({ space, key }: Claim): readonly string[] {
    const there = this.#claims.get(space)?.get(key);
    return there === undefined ? [] : [there].flat();
  }

  /** Why a way is not gone: what it needs is another's. */
  #obstacleOf(row: Row, path: PeerPath): string | undefined {
    if (this.#contested === 0) return undefined;
    for (const claim of path.claims) {
      const there = this.#claims.get(claim.space)?.get(claim.key);
      if (typeof there === 'object' && there[0] !== row.node)
        return `its ${claim.what} is that of ${there[0]}`;
    }
    return undefined;
  }
}

/** Lists that grow. */
class Collected implements Entries {
  readonly neighbours: Entries['neighbours'][number][] = [];
  readonly fdb: Entries['fdb'][number][] = [];
  readonly routes: Entries['routes'][number][] = [];
  readonly wireguardPeers: Entries['wireguardPeers'][number][] = [];

  add({ neighbours, fdb, routes, wireguardPeers }: Partial<Entries>): void {
    if (neighbours) for (const entry of neighbours) this.neighbours.push(entry);
    if (fdb) for (const entry of fdb) this.fdb.push(entry);
    if (routes) for (const entry of routes) this.routes.push(entry);
    if (wireguardPeers) for (const entry of wireguardPeers) this.wireguardPeers.push(entry);
  }
}
