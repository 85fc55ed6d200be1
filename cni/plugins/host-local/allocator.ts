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
 * Walks through every address of a set once, gateways left out, beginning behind `last`. A `last` outside of the set
 * (the ranges were changed) counts as none. Lazy: an IPv6 range has more addresses than anybody can count.
 *
 * Not a generator: the first use of one costs a fresh process 80 µs.
 */
export class Candidates {
  readonly #set: RangeSet;
  /** Index of the range to look in, and the address that was looked at last; undefined before the range's first. */
  #at = 0;
  #previous: Ip | undefined;
  /** The address that ends the walk, in the range it is in; undefined: the walk ends behind the last range. */
  readonly #end: Ip | undefined;
  readonly #endAt: number;
  #wrapped = false;
  #over = false;

  constructor(set: RangeSet, last: Ip | undefined) {
    this.#set = set;
    const found = last === undefined ? -1 : indexOfRange(set, last);
    this.#end = found < 0 ? undefined : last;
    this.#endAt = found;
    if (found >= 0) {
      this.#at = found;
      this.#previous = last;
    }
  }

  /** The next one; undefined at the end. */
  next(): Candidate | undefined {
    while (!this.#over) {
      const range = this.#set[this.#at] as Range;
      if (this.#previous !== undefined && ipEquals(this.#previous, range.end)) {
        this.#enterNextRange();
        continue;
      }
      const ip = this.#previous === undefined ? range.start : addIp(this.#previous, 1n);
      this.#previous = ip;
      if (this.#wrapped && this.#at === this.#endAt && this.#end && ipEquals(ip, this.#end))
        this.#over = true;
      if (!ipEquals(ip, range.gateway)) return { ip, range };
    }
    return undefined;
  }

  /** Leaves out `count` addresses behind the last one, of the same range. */
  skip(count: number): void {
    const range = this.#set[this.#at];
    const from = this.#previous;
    if (!range || !from || this.#over || count <= 0) return;
    let to = addIp(from, BigInt(count));
    if (compareIp(to, range.end) > 0) to = range.end;
    const isLast = this.#wrapped && this.#at === this.#endAt && this.#end !== undefined;
    // The walk's end is among them.
    if (isLast && this.#end && compareIp(this.#end, to) <= 0) this.#over = true;
    this.#previous = to;
  }

  #enterNextRange(): void {
    this.#previous = undefined;
    this.#at++;
    if (this.#at < this.#set.length) return;
    this.#at = 0;
    // From here on it is known ground, up to where the walk began.
    if (this.#end === undefined || this.#wrapped) this.#over = true;
    this.#wrapped = true;
  }
}

function indexOfRange(set: RangeSet, ip: Ip): number {
  for (let index = 0; index < set.length; index++) {
    const range = set[index];
    if (range && inRange(range, ip)) return index;
  }
  return -1;
}
