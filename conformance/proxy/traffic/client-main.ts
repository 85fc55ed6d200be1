/**
 * Opens connections at an even rate, has each answered and checks the answer, and keeps some open. Run in the client's
 * namespace. One thread that polls: a connection costs it a dozen system calls, and it never waits for one of them.
 *
 * A line on stdin asks for a report on stdout; at its end what is under way is waited for, and the last report is given.
 *
 * Usage: client-main.ts OPTIONS-AS-JSON
 */

import { writeSync } from 'node:fs';
import { trySyscall } from '../../../shared/sys/syscall.ts';
import { Connection, type Outcome } from './connection.ts';
import { Tally, type Target, type TrafficOptions } from './report.ts';

const POLLIN = 1;
/** Connections that are opened in one turn, where a turn was late. */
const BURST = 64;
/** Who is later than this (ms) lets the rest be: a burst of all of it would be another kind of traffic. */
const MOST_LATE = 500;

const options = JSON.parse(process.argv[2] ?? '{}') as TrafficOptions;
const { patienceMs, sayEveryMs = 50 } = options;
const tally = new Tally();
const opening = options.targets
  .filter(({ perSecond }) => perSecond > 0)
  .map((target) => ({ target, everyMs: 1000 / target.perSecond, dueAt: performance.now() }));
const brief = new Set<Connection>();
const held = new Set<Connection>();
for (const target of options.targets)
  for (let n = 0; n < (target.held ?? 0); n += 1) held.add(new Connection(target));
/** Those to be opened again, and when (monotonic ms). */
let again: { readonly target: Target; readonly at: number }[] = [];
let isOpening = true;

while (isOpening || brief.size > 0) {
  if (isOpening) {
    for (const one of opening) open(one);
    const now = performance.now();
    for (const { target, at } of again) if (at <= now) held.add(new Connection(target));
    again = again.filter(({ at }) => at > now);
  }
  wait();
  for (const connection of brief) {
    if (isLate(connection)) finish(connection, { failure: `${connection.silence} in ${patienceMs} ms` });
  }
  for (const connection of held) {
    if (isLate(connection)) replace(connection, { failure: `${connection.silence} in ${patienceMs} ms` });
    else if (!connection.isAsking && performance.now() - connection.answeredAt >= sayEveryMs) {
      const outcome = connection.ask();
      if (outcome) replace(connection, outcome);
    }
  }
}
for (const connection of held) connection.close();
writeSync(1, `${JSON.stringify(tally.take())}\n`);

function open(one: { readonly target: Target; readonly everyMs: number; dueAt: number }): void {
  const now = performance.now();
  const late = Math.floor((now - one.dueAt - MOST_LATE) / one.everyMs);
  if (late > 0) {
    one.dueAt += late * one.everyMs;
    tally.skipped(late);
  }
  for (let count = 0; count < BURST && one.dueAt <= now; count += 1) {
    one.dueAt += one.everyMs;
    tally.opened();
    brief.add(new Connection(one.target));
  }
}

/** One poll(2) of everything that waits, and what it gives. */
function wait(): void {
  const all = [...brief, ...held];
  // struct pollfd: the descriptor, then what is wanted and what has come, 16 bits each.
  const poll = new Int32Array(2 * (all.length + 1));
  all.forEach((connection, index) => {
    poll[2 * index] = connection.fd;
    poll[2 * index + 1] = connection.events;
  });
  poll[2 * all.length] = isOpening ? 0 : -1;
  poll[2 * all.length + 1] = POLLIN;
  const next = Math.min(...opening.map(({ dueAt }) => dueAt), performance.now() + sayEveryMs / 4);
  const ms = isOpening ? Math.max(0, next - performance.now()) : sayEveryMs / 4;
  trySyscall('ppoll', poll, all.length + 1, BigInt64Array.of(0n, BigInt(Math.round(ms * 1e6))), null, 8);
  all.forEach((connection, index) => {
    if ((poll[2 * index + 1] as number) >>> 16 === 0) return;
    const outcome = connection.advance();
    if (outcome === undefined) return;
    if (brief.has(connection)) finish(connection, outcome);
    else if (typeof outcome === 'object' && 'by' in outcome) tally.exchanged();
    else replace(connection, outcome);
  });
  if ((poll[2 * all.length + 1] as number) >>> 16 !== 0) obey();
}

function isLate(connection: Connection): boolean {
  return connection.isAsking && performance.now() - connection.askedAt > patienceMs;
}

function finish(connection: Connection, outcome: Outcome): void {
  const { openedAt, startedAt } = connection;
  if (typeof outcome === 'object' && 'by' in outcome) {
    const took = performance.now() - startedAt;
    tally.answered(outcome.by, took, openedAt, connection.isResent(took));
  } else fail(connection, outcome);
  brief.delete(connection);
  connection.close();
}

/** A connection that was held is replaced, whatever ended it. */
function replace(connection: Connection, outcome: Outcome): void {
  if (outcome === 'ended') tally.ended();
  else fail(connection, outcome);
  held.delete(connection);
  connection.close();
  // Nobody is asked again at once who has just refused.
  again.push({ target: connection.target, at: performance.now() + (outcome === 'ended' ? 0 : sayEveryMs) });
}

function fail({ target, openedAt }: Connection, outcome: Outcome): void {
  const what =
    typeof outcome === 'object' && 'failure' in outcome ? outcome.failure : 'closed without an answer';
  tally.failed({ target: `${target.address}:${target.port}`, what, openedAt, at: Date.now() });
}

/** A line of stdin, or its end. */
function obey(): void {
  const buffer = new Uint8Array(64);
  if (trySyscall('read', 0, buffer, buffer.length) > 0) writeSync(1, `${JSON.stringify(tally.take())}\n`);
  else isOpening = false;
}
