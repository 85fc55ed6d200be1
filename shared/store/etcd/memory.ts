/**
 * Whether etcd still is what it was. Nothing in it says so: a cluster that was set up anew on the same machines has the
 * former one's id, one restored from a backup even the same keys. But its revisions only ever grow, so who remembers the
 * highest that it saw notices; and where they have overtaken that meanwhile, some key is not what it was then. Pure.
 */

import type { KeyValue, ResponseHeader } from '#messages/etcd';

export interface EtcdMemory {
  /** In hexadecimal. */
  readonly cluster: string;
  /** The highest that was seen. */
  readonly revision: bigint;
  /** How often etcd lost its memory since this node first saw it. */
  readonly losses: number;
  /** When that was last noticed, in ms since 1970. */
  readonly lostAt?: number;
  readonly witness?: Witness;
}

/** At this revision this key was written: of two histories only one has that, as a rule. */
export interface Witness {
  readonly key: string;
  readonly modRevision: bigint;
}

/**
 * What is known after an answer.
 *
 * @param now what is known, by other answers that were quicker too
 * @param asked what was known when the question was asked: what comes later may be newer than the answer
 */
export function remember(
  now: EtcdMemory | undefined,
  asked: EtcdMemory | undefined,
  header: ResponseHeader,
  nowMs: number,
): EtcdMemory {
  const cluster = header.clusterId.toString(16);
  const { revision } = header;
  if (now === undefined) return { cluster, revision, losses: 0 };
  if (asked && sameLife(now, asked) && !isContinued(asked, header)) return afterLoss(now, header, nowMs);
  // An answer from before a loss that somebody else has noticed says nothing about what there is now.
  const counts = cluster === now.cluster && (!asked || sameLife(now, asked)) && revision > now.revision;
  return counts ? { ...now, revision } : now;
}

/** What is known once it is certain that this header is of another memory than the former answers. */
export function afterLoss({ losses }: EtcdMemory, header: ResponseHeader, nowMs: number): EtcdMemory {
  const { clusterId, revision } = header;
  return { cluster: clusterId.toString(16), revision, losses: losses + 1, lostAt: nowMs };
}

/** What is known after some keys were seen as they are, or as they became. */
export function withWitness(memory: EtcdMemory, kvs: readonly Witness[]): EtcdMemory {
  let witness: Witness | undefined;
  for (const kv of kvs) if (!witness || kv.modRevision > witness.modRevision) witness = kv;
  const last = memory.witness?.modRevision ?? 0n;
  if (!witness || witness.modRevision <= last) return memory;
  const { key, modRevision } = witness;
  const seen = { ...memory, witness: { key, modRevision } };
  return modRevision > memory.revision ? { ...seen, revision: modRevision } : seen;
}

/** True where that is the key as it was written then. */
export function isWitness({ modRevision }: Witness, kv: KeyValue | undefined): boolean {
  return kv?.modRevision === modRevision;
}

/** True when both are of the time between the same two losses. */
export function sameLife(a: EtcdMemory, b: EtcdMemory): boolean {
  return a.losses === b.losses && a.cluster === b.cluster;
}

/** False when etcd has lost what it knew. */
export function isContinued(
  before: Pick<EtcdMemory, 'cluster' | 'revision'>,
  header: ResponseHeader,
): boolean {
  return header.clusterId.toString(16) === before.cluster && header.revision >= before.revision;
}

/** See LeaseList.epoch. */
export function epochOf({ cluster, losses }: EtcdMemory): string {
  return `${cluster}.${losses}`;
}

/** See LeaseList.version. */
export function formatEtcdVersion(revision: bigint, cluster: string): string {
  return `${revision}.${cluster}`;
}

/** `undefined` for what `formatEtcdVersion` did not make. */
export function parseEtcdVersion(
  text: string,
): { readonly revision: bigint; readonly cluster: string } | undefined {
  const match = /^(\d{1,19})\.([0-9a-f]{1,16})$/.exec(text);
  if (match === null) return undefined;
  return { revision: BigInt(match[1] as string), cluster: match[2] as string };
}
