/**
 * Which address comes next. Pure: what is taken, the caller tells.
 *
 * Round robin, as upstream: from the address behind the last one given out, through all ranges of the set, and at the
 * very end the last one again, so that a crashing container does not get the same address at once.
 */

import type { Ip } from '../../../shared/ip/ip.ts';
import { addIp, compareIp, ipEquals } from '../../../shared/ip/ip.ts';
import type { Range, RangeSet } from './ranges.ts';
import { inRange } from './ranges.ts';

/** An address that may be given out, with the range it is of. */
export interface Candidate {
  readonly ip: Ip;
  readonly range: Range;
}

/**
 * Every address of the set once, gateways left out, beginning behind `last`. A `last` outside of the set (the ranges
 * were changed) counts as none. Lazy: an IPv6 range has more addresses than anybody can count.
 */
export function* candidates(set: RangeSet, last: Ip | undefined): Generator<Candidate> {
  const from = last === undefined ? -1 : set.findIndex((range) => inRange(range, last));
  if (last !== undefined && from >= 0) {
    const range = set[from] as Range;
    yield* stretch(range, next(last, range), range.end);
    for (let step = 1; step < set.length; step++) yield* whole(set[(from + step) % set.length] as Range);
    yield* stretch(range, range.start, last);
  } else {
    for (const range of set) yield* whole(range);
  }
}

/** The first candidate that is not taken, or undefined where the set is full. */
export function firstFree(
  set: RangeSet,
  last: Ip | undefined,
  isTaken: (ip: Ip) => boolean,
): Candidate | undefined {
  for (const candidate of candidates(set, last)) if (!isTaken(candidate.ip)) return candidate;
  return undefined;
}

function whole(range: Range): Generator<Candidate> {
  return stretch(range, range.start, range.end);
}

function* stretch(range: Range, from: Ip | undefined, to: Ip): Generator<Candidate> {
  for (let ip = from; ip !== undefined && compareIp(ip, to) <= 0; ip = next(ip, range)) {
    if (!ipEquals(ip, range.gateway)) yield { ip, range };
  }
}

/** The address behind `ip`, or undefined at the range's end, which may be the family's. */
function next(ip: Ip, range: Range): Ip | undefined {
  return ipEquals(ip, range.end) ? undefined : addIp(ip, 1n);
}
