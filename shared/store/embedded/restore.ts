import { chmodSync, copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Cidr, overlaps } from '../../ip/cidr.ts';
import type { Instant } from '../clock.ts';
import { StoreRefusedError } from '../errors.ts';
import type { KubeObject } from '../kube-object.ts';
import { cidrsOf, isLeaseOver, isRegistered, NODE_LEASE_NAMESPACE } from '../node-object.ts';
import { inspectBackup, openBackup } from './backup.ts';
import { newEpoch } from './open.ts';
import { fileIdOf, storePaths } from './paths.ts';
import type { EmbeddedStore } from './store.ts';
import { type Row, Tables } from './tables.ts';
import { TemporaryFile } from './temporary.ts';

export interface RestoreResult {
  readonly objects: number;
  /** Nodes that are alive now and kept their registration, whatever the backup says of them. */
  readonly kept: readonly string[];
  /** Nodes of the backup that were left out: their lease is over, or a living node has their subnet. */
  readonly dropped: readonly string[];
}

/** A backup that was read from end to end and found good. Disposing removes our copy of it. */
export class StagedBackup implements Disposable {
  /** The file that the operator named. */
  readonly source: string;
  readonly #copy: TemporaryFile;

  /**
   * @param storeFile the store that is to be restored; the copy is made beside it
   * @throws StoreDamagedError, StoreRefusedError the file is no good
   */
  constructor(source: string, storeFile: string) {
    this.source = resolve(source);
    const paths = storePaths(storeFile);
    if (!existsSync(this.source)) throw new StoreRefusedError(`there is no file ${this.source}`);
    if (fileIdOf(this.source) === fileIdOf(paths.file)) {
      throw new StoreRefusedError(`${this.source} is the store itself; name a backup`);
    }
    if (existsSync(`${this.source}-wal`)) {
      const advice = `make a backup of it with 'underpod backup FILE --store ${this.source}'`;
      throw new StoreRefusedError(`${this.source} is a store with a log beside it, not a backup; ${advice}`);
    }
    mkdirSync(paths.directory, { recursive: true, mode: 0o755 });
    this.#copy = new TemporaryFile(paths.file, 'restore');
    try {
      copyFileSync(this.source, this.copy);
      chmodSync(this.copy, 0o600);
      inspectBackup(this.copy, this.source);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Our copy: what was checked is what is read, wherever the backup lies. */
  get copy(): string {
    return this.#copy.path;
  }

  [Symbol.dispose](): void {
    this.#copy[Symbol.dispose]();
  }
}

/**
 * Replaces what the store holds by a backup, in one transaction, while others go on using the store; their watches
 * then start over.
 *
 * Node leases are the exception: a lease that is alive now describes pods that run, so it stays, and a lease of the
 * past is not brought back. Until every node has registered again, agents go by the rebuilt time: see LeaseList.
 */
export function restoreStore(store: EmbeddedStore, staged: StagedBackup): RestoreResult {
  const db = openBackup(staged.copy);
  try {
    using backup = new Tables(db);
    return store.rewrite((tables) => {
      const now = store.clock.now();
      const state = tables.state();
      const living = livingNodes(tables, now);
      const dead = deadNodes(backup, living, now);
      let { sequence } = state;
      let objects = 0;
      tables.deleteEverything();
      // Every object gets a new version: one of before the restore must match nothing by chance.
      const put = (row: Row): void => {
        sequence += 1;
        objects += 1;
        tables.put({ ...row, seq: sequence, created: sequence });
      };
      for (const row of backup.everything()) {
        const isRegistration = row.kind === 'Node' || isNodeLease(row);
        if (isRegistration && (living.names.has(row.name) || dead.has(row.name))) continue;
        if (isNodeLease(row) && isLeaseOver(parse(row), now)) continue;
        put(row);
      }
      for (const row of living.rows) put(row);
      tables.setState({
        ...state,
        epoch: newEpoch(),
        sequence,
        floor: sequence,
        rebuiltMs: now.wallMs,
        rebuiltReason: `restored from ${staged.source}`,
      });
      return { objects, kept: [...living.names].sort(), dropped: [...dead].sort() };
    });
  } finally {
    db.close();
  }
}

interface LivingNodes {
  readonly names: ReadonlySet<string>;
  readonly rows: readonly Row[];
  readonly cidrs: readonly Cidr[];
}

function livingNodes(tables: Tables, now: Instant): LivingNodes {
  const leases = tables.list('Lease', NODE_LEASE_NAMESPACE).filter((row) => !isLeaseOver(parse(row), now));
  const names = new Set(leases.map((row) => row.name));
  const nodes = tables.list('Node').filter((row) => names.has(row.name));
  return { names, rows: [...nodes, ...leases], cidrs: nodes.flatMap((row) => cidrsOf(parse(row))) };
}

/** The nodes of the backup that must not come back, though no living node has their name. */
function deadNodes(backup: Tables, living: LivingNodes, now: Instant): Set<string> {
  const leases = backup.list('Lease', NODE_LEASE_NAMESPACE).filter((row) => !isLeaseOver(parse(row), now));
  const alive = new Set(leases.map((row) => row.name));
  const dead = new Set<string>();
  for (const row of backup.list('Node')) {
    if (living.names.has(row.name)) continue;
    const node = parse(row);
    const expired = isRegistered(node) && !alive.has(row.name);
    const taken = cidrsOf(node).some((cidr) => living.cidrs.some((other) => overlaps(cidr, other)));
    if (expired || taken) dead.add(row.name);
  }
  return dead;
}

function isNodeLease(row: Row): boolean {
  return row.kind === 'Lease' && row.namespace === NODE_LEASE_NAMESPACE;
}

function parse(row: Row): KubeObject {
  return JSON.parse(row.body) as KubeObject;
}
