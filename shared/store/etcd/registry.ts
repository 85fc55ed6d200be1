/** Node leases in etcd v3, in flannel's layout: flanneld and this are nodes of one network. See ../README.md. */

import { CompareCompareResult, CompareCompareTarget, EventEventType } from '#messages/etcd';
import { isRpcError } from '../../grpc/error.ts';
import type { Cidr } from '../../ip/cidr.ts';
import { overlaps } from '../../ip/cidr.ts';
import { type Clock, systemClock } from '../clock.ts';
import { isOutOfSubnets, LeaseLostError, TooOldError } from '../errors.ts';
import { expiresAtMs, type LeaseTerm, remainingMs } from '../lease-time.ts';
import {
  LEASE_DURATION_MS,
  type LeaseBatch,
  type LeaseEvent,
  type LeaseList,
  type NodeInfo,
  type NodeLease,
  type NodeRegistry,
  type WantedSubnets,
} from '../registry.ts';
import { mathRandom, type PodNetworks, planSubnets, type Random } from '../subnet-allocator.ts';
import { encodeAttributes } from './attributes.ts';
import { type EtcdClient, prefixEnd } from './client.ts';
import { follow } from './follow.ts';
import { ipv4Part, NO_IPV4, subnetName, subnetsPrefix } from './keys.ts';
import { IDS_PER_INSTANCE, isLeaseOf, leaseIdsOf } from './lease-id.ts';
import { LifeKeeper } from './life.ts';
import { type EtcdMemory, epochOf, formatEtcdVersion, isContinued, parseEtcdVersion } from './memory.ts';
import { findOwn, isReservation, type NodeRecord, toRecord } from './records.ts';

export interface EtcdRegistryOptions {
  readonly client: EtcdClient;
  /** `/coreos.com/network`. */
  readonly prefix: string;
  readonly networks: PodNetworks;
  readonly leaseDurationMs?: number;
  readonly random?: Random;
  readonly clock?: Clock;
  /** What was last known of etcd, from before a restart. */
  readonly memory?: EtcdMemory;
  /** It knows more. */
  readonly onMemory?: (memory: EtcdMemory) => void;
  /** Closes the registry when it is aborted, whatever is under way. */
  readonly signal?: AbortSignal;
}

/** A node that registered through this handle. */
interface Own {
  /** The key's last part. */
  readonly name: string;
  readonly subnets: WantedSubnets;
  /** 0: the record does not expire. */
  readonly lease: bigint;
  readonly term: LeaseTerm;
}

/** All records, at one revision. */
interface Snapshot {
  /** By the boot clock. */
  readonly readAt: number;
  readonly records: readonly NodeRecord[];
  readonly revision: bigint;
  readonly memory: EtcdMemory;
}

/** A list this old (ms) is good enough to choose from: what is written by it is written only if it still holds. */
const RECENT = 1000;

/** Each further try means that another node has got a subnet in the meantime. */
const MOST_TRIES = 100;

export class EtcdRegistry implements NodeRegistry {
  readonly subnetIsName = true;
  readonly #client: EtcdClient;
  readonly #options: EtcdRegistryOptions;
  readonly #clock: Clock;
  readonly #prefix: string;
  readonly #durationMs: number;
  readonly #closed = new AbortController();
  /** By node name. */
  readonly #own = new Map<string, Own>();
  readonly #life: LifeKeeper;
  #last: Snapshot | undefined;
  #reading: Promise<Snapshot> | undefined;

  /** Owns the client. */
  constructor(options: EtcdRegistryOptions) {
    this.#client = options.client;
    this.#options = options;
    this.#clock = options.clock ?? systemClock();
    this.#prefix = subnetsPrefix(options.prefix);
    this.#durationMs = options.leaseDurationMs ?? LEASE_DURATION_MS;
    this.#life = new LifeKeeper({
      client: this.#client,
      clock: this.#clock,
      ...(options.memory && { memory: options.memory }),
      ...(options.onMemory && { onMemory: options.onMemory }),
      isLeaseLost: () => this.#isLeaseLost(),
      onLoss: () => this.#wasLost(),
    });
    options.signal?.addEventListener('abort', () => this.#close(), { once: true });
    if (options.signal?.aborted) this.#close();
  }

  async acquire(info: NodeInfo, want: WantedSubnets = {}): Promise<NodeLease> {
    const { networks, random = mathRandom } = this.#options;
    let lease: Lease | undefined;
    for (let attempt = 0; attempt < MOST_TRIES; attempt++) {
      const { records } = await (attempt === 0 ? this.#recent() : this.#read());
      const before = this.#recordOf(info, records);
      const taken = records
        .filter((record) => record !== before)
        .flatMap((record) => subnetsOf(record.subnets));
      let subnets: WantedSubnets;
      try {
        subnets = planSubnets(networks, before ? [before.subnets, want] : [want], taken, random);
      } catch (error) {
        // One may have become free since.
        if (isOutOfSubnets(error) && attempt === 0) continue;
        throw error;
      }
      const name = subnetName(subnets);
      // A record that does not expire stays so.
      const isStatic = before?.lease === 0n && before.name === name;
      if (!isStatic) lease ??= await this.#grant(info);
      const id = isStatic ? 0n : (lease?.id ?? 0n);
      if (!(await this.#write(info, name, id, before))) continue;
      const mayOverlap = before?.name !== name && canOverlap(subnets, taken);
      if (mayOverlap && !(await this.#isUndisputed(name, subnets))) continue;
      if (lease) await this.#revokeFormer(info, before, lease.id);
      return this.#registered(info, { name, subnets, lease: id, term: this.#term(lease?.ttlMs) });
    }
    throw new Error(`other nodes were quicker ${MOST_TRIES} times in a row: try again`);
  }

  async renew(info: NodeInfo): Promise<NodeLease> {
    const own = this.#own.get(info.name);
    if (own === undefined) throw lost(info);
    let { term } = own;
    if (own.lease !== 0n) {
      const ttl = await this.#client.keepAlive(own.lease);
      if (ttl === undefined) {
        // It has either been revoked or never been: the list of nodes must not go on by a watch of another life.
        await this.#life.verify();
        throw this.#forget(info);
      }
      term = this.#term(ttl * 1000);
    }
    const key = `${this.#prefix}${own.name}`;
    // Written even if nothing is new: so the others hear that the lease goes on, as they do of flanneld's.
    const put = { requestPut: { key, value: encodeAttributes(info), lease: own.lease } };
    const { EQUAL, GREATER } = CompareCompareResult;
    const { LEASE, VERSION } = CompareCompareTarget;
    const compare = [
      { key, target: VERSION, result: GREATER, version: 0n },
      { key, target: LEASE, result: EQUAL, lease: own.lease },
    ];
    const succeeded = await this.#txn(compare, [put], key).catch((error: unknown) => {
      // The lease ended between the two calls.
      if (isRpcError(error, 'NOT_FOUND')) throw this.#forget(info);
      throw error;
    });
    if (!succeeded) throw this.#forget(info);
    return this.#registered(info, { ...own, term });
  }

  async find(info: NodeInfo): Promise<NodeLease | undefined> {
    const record = this.#recordOf(info, (await this.#recent()).records);
    return record && this.#toLease(record, info.name);
  }

  async release(node: string): Promise<boolean> {
    const own = this.#own.get(node);
    this.#own.delete(node);
    this.#forgetReads();
    const deleted = await this.#client.delete(`${this.#prefix}${own?.name ?? node}`);
    if (own && own.lease !== 0n) await this.#client.revoke(own.lease);
    return deleted > 0;
  }

  async list(): Promise<LeaseList> {
    const { records, revision, memory } = await (this.#reading ?? this.#read());
    const owners = this.#owners();
    const leases: NodeLease[] = [];
    for (const record of records) {
      const lease = this.#toLease(record, owners.get(record.name));
      if (lease) leases.push(lease);
    }
    leases.sort((a, b) => (a.node < b.node ? -1 : 1));
    return {
      leases,
      version: formatEtcdVersion(revision, memory.cluster),
      epoch: epochOf(memory),
      ...(memory.lostAt !== undefined && { rebuiltAt: memory.lostAt }),
    };
  }

  async *watch(version: string, signal: AbortSignal): AsyncGenerator<LeaseBatch, void, undefined> {
    const from = parseEtcdVersion(version);
    if (from === undefined) throw new TooOldError(`"${version}" is no version of etcd's: list again`);
    const { ended } = this.#life;
    const changes = follow({
      client: this.#client,
      clock: this.#clock,
      prefix: this.#prefix,
      revision: from.revision,
      signal: AbortSignal.any([signal, this.#closed.signal, ended]),
      check: (header, known) => {
        if (!isContinued({ cluster: from.cluster, revision: known }, header)) throw lostMemory();
      },
      onOpen: async () => {
        if (!(await this.#life.verify())) throw lostMemory();
      },
    });
    for await (const { events, revision } of changes) {
      this.#life.saw(events.flatMap(({ type, kv }) => (kv && type === EventEventType.PUT ? [kv] : [])));
      const owners = this.#owners();
      const told: LeaseEvent[] = [];
      for (const { type, kv } of events) {
        if (kv === undefined) continue;
        const name = kv.key.slice(this.#prefix.length);
        const record = type === EventEventType.PUT ? toRecord(kv, this.#prefix, this.#latestEnd) : undefined;
        const lease = record && this.#toLease(record, owners.get(name));
        if (lease) {
          told.push({ type: 'set', lease });
          continue;
        }
        // etcd does not say why.
        told.push({ type: 'removed', node: name, reason: 'deleted' });
        // Until it had registered, the node itself was one that only its key names.
        const owner = owners.get(name);
        if (owner !== undefined) told.push({ type: 'removed', node: owner, reason: 'deleted' });
      }
      yield { events: told, version: formatEtcdVersion(revision, from.cluster) };
    }
    if (ended.aborted && !signal.aborted && !this.#closed.signal.aborted) throw lostMemory();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#close();
    return Promise.resolve();
  }

  #close(): void {
    this.#closed.abort();
    this.#client[Symbol.dispose]();
  }

  /** A lease of ours is gone though its time has not come. @throws RpcError */
  async #isLeaseLost(): Promise<boolean> {
    for (const { lease, term } of this.#own.values()) {
      if (lease === 0n || remainingMs(term, this.#clock.now()) <= 0) continue;
      if ((await this.#client.keepAlive(lease)) === undefined) return true;
    }
    return false;
  }

  /** Nobody is registered any more, whatever a backup may hold: records are written again. */
  #wasLost(): void {
    this.#own.clear();
    this.#forgetReads();
  }

  /** What was read a moment ago, if anything was: a node that starts asks for the same list three times. */
  async #recent(): Promise<Snapshot> {
    if (this.#last && this.#clock.now().bootMs - this.#last.readAt < RECENT) return this.#last;
    return await (this.#reading ?? this.#read());
  }

  async #read(): Promise<Snapshot> {
    const reading = this.#readNow();
    this.#reading = reading;
    try {
      const snapshot = await reading;
      this.#last = snapshot;
      // Thousands of records are not kept for nothing.
      this.#clock.setTimer(RECENT, () => {
        if (this.#last === snapshot) this.#last = undefined;
      });
      return snapshot;
    } finally {
      if (this.#reading === reading) this.#reading = undefined;
    }
  }

  /** What was read is history. */
  #forgetReads(): void {
    this.#last = undefined;
    this.#reading = undefined;
  }

  /** All records, at one revision. */
  async #readNow(): Promise<Snapshot> {
    for (;;) {
      const readAt = this.#clock.now().bootMs;
      const asked = this.#life.memory;
      const { kvs, header } = await this.#client.list(this.#prefix);
      const memory = await this.#life.listed(asked, header, kvs);
      if (!memory) continue;
      const records: NodeRecord[] = [];
      const latestEnd = this.#latestEnd;
      for (const kv of kvs) {
        const record = toRecord(kv, this.#prefix, latestEnd);
        if (record) records.push(record);
      }
      return { readAt, records, revision: header.revision, memory };
    }
  }

  #recordOf(info: NodeInfo, records: readonly NodeRecord[]): NodeRecord | undefined {
    const own = this.#own.get(info.name);
    // Under another lease it is somebody else's, who was quicker after ours had ended.
    const mine = own && records.find(({ name, lease }) => name === own.name && lease === own.lease);
    return mine ?? findOwn(records, info);
  }

  /** Puts the record in the place of the one before; `false` when somebody else changed something there. */
  async #write(
    info: NodeInfo,
    name: string,
    lease: bigint,
    before: NodeRecord | undefined,
  ): Promise<boolean> {
    this.#forgetReads();
    const key = `${this.#prefix}${name}`;
    const put = { requestPut: { key, value: encodeAttributes(info), lease } };
    const { EQUAL } = CompareCompareResult;
    const { MOD, VERSION } = CompareCompareTarget;
    const asRead = before && {
      key: `${this.#prefix}${before.name}`,
      target: MOD,
      result: EQUAL,
      modRevision: before.modRevision,
    };
    if (before?.name === name) return await this.#txn(asRead ? [asRead] : [], [put], key);
    const v4 = `${this.#prefix}${ipv4Part(name)}`;
    const isFree = { key, target: VERSION, result: EQUAL, version: 0n };
    // With the same IPv4 subnet and another IPv6 one the key differs; both are the same subnet to somebody.
    // All nodes without IPv4 have the same in its place.
    const v4IsFree =
      ipv4Part(name) === NO_IPV4 || (before && ipv4Part(before.name) === ipv4Part(name))
        ? []
        : [
            { ...isFree, key: `${v4}&`, rangeEnd: prefixEnd(`${v4}&`) },
            { ...isFree, key: v4 },
          ];
    const removal = before && { requestDeleteRange: { key: `${this.#prefix}${before.name}` } };
    return await this.#txn(
      [isFree, ...v4IsFree, ...(asRead ? [asRead] : [])],
      [...(removal ? [removal] : []), put],
      key,
    );
  }

  /** A transaction that puts `key`. Of one that fails nothing is learned: the next list tells more. */
  async #txn(compare: TxnCompare, then: TxnOps, key: string): Promise<boolean> {
    const asked = this.#life.memory;
    const { succeeded, header } = await this.#client.txn(compare, then);
    if (succeeded) this.#life.wrote(asked, header, key);
    return succeeded;
  }

  /**
   * False when another node got a subnet that overlaps in the same moment: etcd compares keys, not subnets. Who came later
   * gives way.
   */
  async #isUndisputed(name: string, subnets: WantedSubnets): Promise<boolean> {
    const { kvs } = await this.#client.list(this.#prefix, { keysOnly: true });
    const records = kvs.flatMap((kv) => toRecord(kv, this.#prefix, this.#latestEnd) ?? []);
    const mine = records.find((record) => record.name === name);
    if (mine === undefined) return false;
    const wide = subnetsOf(subnets);
    const disputed = records.some(
      (other) =>
        other !== mine &&
        other.createRevision < mine.createRevision &&
        subnetsOf(other.subnets).some((theirs) => wide.some((ours) => overlaps(ours, theirs))),
    );
    if (disputed) await this.#client.delete(`${this.#prefix}${name}`);
    return !disputed;
  }

  /** A lease of the node's own, of the wanted length: the one it has, or a new one. */
  async #grant(info: NodeInfo): Promise<Lease> {
    const ttl = Math.max(1, Math.round(this.#durationMs / 1000));
    if (info.instance === undefined) {
      const granted = await this.#client.grant(0n, ttl);
      if (granted) return { id: granted.id, ttlMs: granted.ttl * 1000 };
      throw new Error('etcd granted no lease');
    }
    const first = leaseIdsOf(info.instance);
    for (let id = first; id < first + IDS_PER_INSTANCE; ) {
      const granted = await this.#client.grant(id, ttl);
      if (granted) return { id, ttlMs: granted.ttl * 1000 };
      const kept = await this.#client.keepAlive(id);
      // etcd makes very short ones longer.
      if (kept === ttl || (kept !== undefined && kept > ttl && kept < 10)) return { id, ttlMs: kept * 1000 };
      // One that ended just now can be had again.
      if (kept !== undefined) id += 1n;
    }
    throw new Error(
      `all leases of instance ${info.instance} are in use: remove some with etcdctl lease revoke`,
    );
  }

  /** The lease that the record had before, if it was our own: nothing hangs on it any more. */
  async #revokeFormer(info: NodeInfo, before: NodeRecord | undefined, lease: bigint): Promise<void> {
    const former = before?.lease ?? 0n;
    if (info.instance === undefined || former === lease) return;
    if (isLeaseOf(former, leaseIdsOf(info.instance))) await this.#client.revoke(former);
  }

  #registered(info: NodeInfo, own: Own): NodeLease {
    this.#own.set(info.name, own);
    const { name: node, instance: _, ...published } = info;
    return { node, ...published, ...own.subnets, expiresAt: this.#endOf(own) };
  }

  /** Forgets a node whose lease is gone. */
  #forget(info: NodeInfo): LeaseLostError {
    this.#own.delete(info.name);
    return lost(info);
  }

  /** Names of the nodes that registered through this handle, by the last part of their keys. */
  #owners(): ReadonlyMap<string, string> {
    return new Map([...this.#own].map(([node, { name }]) => [name, node]));
  }

  /** `undefined` for what is no node to anybody else. */
  #toLease(record: NodeRecord, owner: string | undefined): NodeLease | undefined {
    const { node } = record;
    if (owner === undefined) return isReservation(record) ? undefined : node;
    const own = this.#own.get(owner);
    return node && { ...node, node: owner, ...(own && { expiresAt: this.#endOf(own) }) };
  }

  #endOf({ lease, term }: Own): number {
    return lease === 0n ? Number.POSITIVE_INFINITY : expiresAtMs(term, this.#clock.now());
  }

  /** When a lease that was renewed just now ends. */
  get #latestEnd(): number {
    return this.#clock.now().wallMs + this.#durationMs;
  }

  #term(durationMs = this.#durationMs): LeaseTerm {
    return { renewed: this.#clock.now(), durationMs };
  }
}

type TxnCompare = Parameters<EtcdClient['txn']>[0];
type TxnOps = Parameters<EtcdClient['txn']>[1];

interface Lease {
  readonly id: bigint;
  readonly ttlMs: number;
}

function lostMemory(): TooOldError {
  return new TooOldError('etcd has lost what it knew, or is another one: list again');
}

function lost({ name }: NodeInfo): LeaseLostError {
  return new LeaseLostError(`node ${name} has no lease in etcd any more`);
}

/** False where all subnets are of one length and have IPv4: no two keys overlap but the same one. */
function canOverlap({ subnet, subnetV6 }: WantedSubnets, taken: readonly Cidr[]): boolean {
  return subnetV6 !== undefined || taken.some(({ prefix }) => prefix !== subnet?.prefix);
}

function subnetsOf({ subnet, subnetV6 }: WantedSubnets): Cidr[] {
  return [subnet, subnetV6].filter((cidr) => cidr !== undefined);
}
