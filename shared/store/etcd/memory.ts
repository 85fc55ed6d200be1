/**
 * Whether etcd still is what it was. Nothing in it says so: a cluster that was set up anew on the same machines has the
 * former one's id, one restored from a backup even the same keys. But its revisions only ever grow, so who remembers the
 * highest that it saw notices. Pure.
 */

import type { ResponseHeader } from '#messages/etcd';

export interface EtcdMemory {
  /** In hexadecimal. */
  readonly cluster: string;
  /** The highest that was seen. */
  readonly revision: bigint;
  /** How often etcd lost its memory since this node first saw it. */
  readonly losses: number;
  /** When that was last noticed, in ms since 1970. */
  readonly lostAt?: number;
}

/** What is known after an answer. */
export function remember(before: EtcdMemory | undefined, header: ResponseHeader, nowMs: number): EtcdMemory {
  const cluster = header.clusterId.toString(16);
  const { revision } = header;
  if (before === undefined) return { cluster, revision, losses: 0 };
  if (isContinued(before, header)) return revision > before.revision ? { ...before, revision } : before;
  return { cluster, revision, losses: before.losses + 1, lostAt: nowMs };
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
