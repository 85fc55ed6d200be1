/** What etcd holds, in memory, for tests: keys with their history, leases that end by a clock of the test's. */

import {
  type Compare,
  CompareCompareResult,
  CompareCompareTarget,
  type DeleteRangeRequest,
  type Event,
  EventEventType,
  type KeyValue,
  type PutRequest,
  type RangeRequest,
  type RangeResponse,
  type RequestOp,
  type ResponseHeader,
  type TxnRequest,
} from '#messages/etcd';
import { RpcError } from '../../../grpc/error.ts';
import type { Init } from '../../../grpc/wire/schema.ts';
import type { Clock } from '../../clock.ts';

interface FakeLease {
  readonly ttl: bigint;
  renewedAt: number;
}

/** One revision's worth of a change; its events share `kv.modRevision`. */
export class FakeModel {
  readonly #clock: Clock;
  readonly #clusterId: bigint;
  readonly #keys = new Map<string, KeyValue>();
  readonly #leases = new Map<bigint, FakeLease>();
  readonly #watchers = new Set<() => void>();
  #history: Event[] = [];
  #revision = 1n;
  #compacted = 0n;
  #nextLease = 1000n;
  #timer: Disposable | undefined;

  constructor(clock: Clock, clusterId = 0xabcdefn) {
    this.#clock = clock;
    this.#clusterId = clusterId;
  }

  get header(): ResponseHeader {
    return { clusterId: this.#clusterId, memberId: 1n, revision: this.#revision, raftTerm: 1n };
  }

  /** As it is now, to go back to later: a backup. */
  copy(): FakeModel {
    const copy = new FakeModel(this.#clock, this.#clusterId);
    for (const [key, kv] of this.#keys) copy.#keys.set(key, kv);
    for (const [id, lease] of this.#leases) copy.#leases.set(id, { ...lease });
    copy.#history = [...this.#history];
    copy.#revision = this.#revision;
    copy.#compacted = this.#compacted;
    return copy;
  }

  range(request: RangeRequest): Init<RangeResponse> {
    const { limit, revision, keysOnly } = request;
    if (revision > 0n && revision < this.#compacted) throw compacted();
    if (revision > this.#revision) throw fromTheFuture();
    const keys = revision > 0n ? this.#at(revision) : this.#keys;
    const found = [...keys]
      .filter(([key]) => within(key, request))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, kv]) => (keysOnly ? { ...kv, value: '' } : kv));
    const page = limit > 0n ? found.slice(0, Number(limit)) : found;
    return { header: this.header, kvs: page, more: page.length < found.length, count: BigInt(found.length) };
  }

  /** @throws RpcError NOT_FOUND for a lease that is not there, as etcd does */
  txn({ compare, success, failure }: TxnRequest): boolean {
    const succeeded = compare.every((each) => this.#holds(each));
    const ops = succeeded ? success : failure;
    for (const { requestPut } of ops) if (requestPut) this.#checkLease(requestPut);
    this.#change(ops);
    return succeeded;
  }

  put(request: PutRequest): void {
    this.#checkLease(request);
    this.#change([{ requestPut: request }]);
  }

  deleteRange(request: DeleteRangeRequest): bigint {
    const before = this.#keys.size;
    this.#change([{ requestDeleteRange: request }]);
    return BigInt(before - this.#keys.size);
  }

  compact(revision: bigint): void {
    if (revision > this.#revision) throw fromTheFuture();
    this.#compacted = revision;
    this.#wake();
  }

  grant(id: bigint, ttl: bigint): bigint {
    if (this.#leases.has(id)) throw new RpcError('FAILED_PRECONDITION', 'etcdserver: lease already exists');
    const chosen = id === 0n ? this.#nextLease++ : id;
    this.#leases.set(chosen, { ttl, renewedAt: this.#now });
    this.#arm();
    return chosen;
  }

  /** The seconds that a lease now has; 0 where it is gone. */
  keepAlive(id: bigint): bigint {
    const lease = this.#leases.get(id);
    if (lease === undefined) return 0n;
    lease.renewedAt = this.#now;
    this.#arm();
    return lease.ttl;
  }

  revoke(id: bigint): void {
    if (!this.#leases.delete(id)) throw new RpcError('NOT_FOUND', 'etcdserver: requested lease not found');
    const keys = [...this.#keys.values()].filter(({ lease }) => lease === id);
    this.#change(keys.map(({ key }) => ({ requestDeleteRange: { key, rangeEnd: '', prevKv: false } })));
  }

  /** Events from that revision on; @throws the compacted revision where they are gone */
  eventsFrom(revision: bigint, range: Pick<RangeRequest, 'key' | 'rangeEnd'>): Event[] | bigint {
    if (revision > 0n && revision < this.#compacted) return this.#compacted;
    return this.#history.filter(({ kv }) => kv && kv.modRevision >= revision && within(kv.key, range));
  }

  /** Calls back at each change. */
  watch(changed: () => void): Disposable {
    this.#watchers.add(changed);
    return { [Symbol.dispose]: () => this.#watchers.delete(changed) };
  }

  get #now(): number {
    return this.#clock.now().bootMs;
  }

  #at(revision: bigint): Map<string, KeyValue> {
    const keys = new Map<string, KeyValue>();
    for (const { type, kv } of this.#history) {
      if (kv === undefined || kv.modRevision > revision) continue;
      if (type === EventEventType.PUT) keys.set(kv.key, kv);
      else keys.delete(kv.key);
    }
    return keys;
  }

  #change(ops: readonly RequestOp[]): void {
    const revision = this.#revision + 1n;
    const events: Event[] = [];
    for (const { requestPut, requestDeleteRange } of ops) {
      if (requestPut) events.push(this.#set(requestPut, revision));
      if (!requestDeleteRange) continue;
      for (const [key, kv] of [...this.#keys]) {
        if (!within(key, requestDeleteRange)) continue;
        this.#keys.delete(key);
        const gone = { ...kv, value: '', createRevision: 0n, lease: 0n };
        events.push({ type: EventEventType.DELETE, kv: { ...gone, modRevision: revision } });
      }
    }
    if (events.length === 0) return;
    this.#revision = revision;
    this.#history.push(...events);
    this.#wake();
  }

  #set({ key, value, lease }: PutRequest, revision: bigint): Event {
    const before = this.#keys.get(key);
    const kv: KeyValue = {
      key,
      value,
      lease,
      createRevision: before?.createRevision ?? revision,
      modRevision: revision,
    };
    this.#keys.set(key, kv);
    return { type: EventEventType.PUT, kv };
  }

  #checkLease({ lease }: PutRequest): void {
    if (lease !== 0n && !this.#leases.has(lease))
      throw new RpcError('NOT_FOUND', 'etcdserver: requested lease not found');
  }

  #holds(compare: Compare): boolean {
    const found = [...this.#keys].filter(([key]) => within(key, compare)).map(([, kv]) => kv);
    const none = { createRevision: 0n, modRevision: 0n, lease: 0n };
    return (found.length > 0 ? found : [none]).every((kv) => {
      const { VERSION, MOD, LEASE, CREATE } = CompareCompareTarget;
      const [is, asked] = {
        // As far as it matters: 0 for a key that is not there.
        [VERSION]: [kv.createRevision > 0n ? 1n : 0n, compare.version],
        [MOD]: [kv.modRevision, compare.modRevision],
        [LEASE]: [kv.lease, compare.lease],
        [CREATE]: [kv.createRevision, compare.createRevision],
      }[compare.target] ?? [0n, undefined];
      if (asked === undefined) throw new RpcError('UNIMPLEMENTED', 'the fake compares no values');
      if (compare.result === CompareCompareResult.EQUAL) return is === asked;
      if (compare.result === CompareCompareResult.GREATER) return (is as bigint) > asked;
      return compare.result === CompareCompareResult.LESS ? (is as bigint) < asked : is !== asked;
    });
  }

  #wake(): void {
    for (const changed of [...this.#watchers]) changed();
  }

  /** Ends leases when their time is over. */
  #arm(): void {
    this.#timer?.[Symbol.dispose]();
    const ends = [...this.#leases].map(([id, { ttl, renewedAt }]) => ({
      id,
      at: renewedAt + Number(ttl) * 1000,
    }));
    const next = ends.reduce((a, b) => (b.at < a.at ? b : a), { id: 0n, at: Number.POSITIVE_INFINITY });
    if (!Number.isFinite(next.at)) return;
    this.#timer = this.#clock.setTimer(next.at - this.#now, () => {
      for (const { id, at } of ends) if (at <= this.#now) this.revoke(id);
      this.#arm();
    });
  }
}

/** Keys of tests are ASCII, which sorts as its bytes do. */
function within(key: string, { key: from, rangeEnd }: Pick<RangeRequest, 'key' | 'rangeEnd'>): boolean {
  if (rangeEnd.length === 0) return key === from;
  return key >= from && key < rangeEnd;
}

function fromTheFuture(): RpcError {
  return new RpcError('OUT_OF_RANGE', 'etcdserver: mvcc: required revision is a future revision');
}

function compacted(): RpcError {
  return new RpcError('OUT_OF_RANGE', 'etcdserver: mvcc: required revision has been compacted');
}
