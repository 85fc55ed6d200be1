/** Changes in etcd, across its restarts. */

import type { Event, ResponseHeader } from '#messages/etcd';
import { isDeadlineExceeded, isUnavailable, RpcError } from '../../grpc/error.ts';
import type { Clock } from '../clock.ts';
import { TooOldError } from '../errors.ts';
import type { EtcdClient } from './client.ts';

export interface Changes {
  readonly events: readonly Event[];
  /** Of the last of them: where to go on. */
  readonly revision: bigint;
}

export interface FollowOptions {
  readonly client: EtcdClient;
  readonly clock: Clock;
  readonly prefix: string;
  /** What is known: changes after it are told. */
  readonly revision: bigint;
  readonly signal: AbortSignal;
  /** Looks at each answer's header. @throws TooOldError when etcd is not what it was */
  readonly check: (header: ResponseHeader, known: bigint) => void;
  /**
   * Called whenever etcd has begun to tell: of what changed meanwhile it tells next, but only if it is the same etcd.
   *
   * @throws TooOldError when it is not
   */
  readonly onOpen?: () => Promise<void>;
}

/**
 * Pauses before a broken watch is taken up again (ms), with up to as much again by chance: thousands of nodes lose
 * theirs in the same moment. After the last the caller hears of it.
 */
const PAUSES: readonly number[] = [0, 100, 300, 800];
/** A server that hangs lets each try last seconds: the caller hears of it no later than this after the first (ms). */
const LONGEST_SILENCE = 3000;
/** etcd says at once that it has begun to watch; one that has not by then (ms) hangs, behind a connection that lives. */
const OPENING = 5000;

/**
 * Yields until the signal is aborted.
 *
 * @throws TooOldError changes were compacted away, or etcd lost its memory: list again
 * @throws RpcError etcd could not be reached several times in a row
 */
export async function* follow(options: FollowOptions): AsyncGenerator<Changes, void, undefined> {
  const { clock, signal } = options;
  let { revision } = options;
  let failures = 0;
  let failedAt = 0;
  while (!signal.aborted) {
    try {
      for await (const changes of once({ ...options, revision })) {
        failures = 0;
        revision = changes.revision;
        if (changes.events.length > 0) yield changes;
      }
      if (signal.aborted) return;
    } catch (error) {
      if (signal.aborted) return;
      const { bootMs } = clock.now();
      if (failures === 0) failedAt = bootMs;
      const isOver = PAUSES[failures] === undefined || bootMs - failedAt > LONGEST_SILENCE;
      if (isOver || !(isUnavailable(error) || isDeadlineExceeded(error))) throw error;
    }
    const pause = PAUSES[failures] ?? 1000;
    failures += 1;
    await wait(clock, pause * (1 + Math.random()), signal);
  }
}

async function* once(options: FollowOptions): AsyncGenerator<Changes> {
  const { client, clock, prefix, revision, signal, check, onOpen } = options;
  using stream = await client.watch(prefix, revision + 1n, signal);
  let isLate = false;
  using patience = clock.setTimer(OPENING, () => {
    isLate = true;
    stream.abandon();
  });
  let known = revision;
  for await (const answer of stream) {
    const { header, canceled, created, compactRevision, cancelReason, events } = answer;
    patience[Symbol.dispose]();
    if (compactRevision > 0n)
      throw new TooOldError(`etcd has forgotten what was before revision ${compactRevision}: list again`);
    if (canceled) {
      // Most likely a token that has run out. The stream is over; a new one asks with a new token.
      client.forgetToken();
      throw new RpcError('UNAVAILABLE', `etcd ended the watch: ${cancelReason || 'it gave no reason'}`);
    }
    if (header) check(header, known);
    if (created) await onOpen?.();
    // Not the header's revision: that may be ahead of the events, when there are many to catch up with.
    known = events.at(-1)?.kv?.modRevision ?? known;
    yield { events, revision: known };
  }
  if (isLate) throw new RpcError('DEADLINE_EXCEEDED', 'etcd does not answer a watch');
}

function wait(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      timer[Symbol.dispose]();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.setTimer(ms, done);
    signal.addEventListener('abort', done, { once: true });
  });
}
