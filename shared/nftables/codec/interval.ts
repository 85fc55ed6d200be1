import type { Element } from '../model/element.ts';
import type { NftMap, NftSet } from '../model/set.ts';
import type { RawElement } from './element.ts';

/**
 * The kernel keeps a range of a plain key as two elements, its first key and the first key behind it; one of a
 * concatenation as one element with both ends. These functions go from one to the other.
 */
export function toRaw(set: NftSet | NftMap, elements: readonly Element[]): readonly RawElement[] {
  if (!set.interval) return elements;
  if (set.key.length > 1) {
    return elements.map((element) => (element.keyEnd ? element : { ...element, keyEnd: element.key }));
  }
  const raw: RawElement[] = [];
  for (const { keyEnd, ...start } of elements) {
    const end = successor(keyEnd ?? start.key);
    raw.push(end === undefined ? { ...start, isOpen: true } : start);
    if (end !== undefined) raw.push({ key: end, isEnd: true });
  }
  return raw;
}

/** Elements as they were before `toRaw`, in the order of their keys where they are ranges of a plain key. */
export function fromRaw(set: NftSet | NftMap, raw: readonly RawElement[]): Element[] {
  if (!set.interval) return raw as Element[];
  if (set.key.length > 1) {
    return raw.map(({ keyEnd, ...element }) =>
      keyEnd === undefined || compareKeys(keyEnd, element.key) === 0 ? element : { ...element, keyEnd },
    );
  }
  // A range may start where another ends: the end comes first then.
  const sorted = [...raw].sort(
    (a, b) => compareKeys(a.key, b.key) || Number(b.isEnd ?? false) - Number(a.isEnd ?? false),
  );
  const elements: Element[] = [];
  let open: RawElement | undefined;
  for (const bound of sorted) {
    if (open !== undefined) elements.push(range(open, bound.key));
    open = bound.isEnd ? undefined : bound;
  }
  if (open !== undefined) elements.push(range(open, undefined));
  return elements;
}

/** The element from `start` to before `end`, or to the last key there is. */
function range({ isEnd: _, isOpen: __, ...start }: RawElement, end: Uint8Array | undefined): Element {
  const keyEnd = end === undefined ? start.key.map(() => 0xff) : predecessor(end);
  return compareKeys(keyEnd, start.key) === 0 ? start : { ...start, keyEnd };
}

/** Compares keys as the big-endian numbers that they are in sets of ranges. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** The key plus one; undefined when there is none. */
function successor(key: Uint8Array): Uint8Array | undefined {
  const next = key.slice();
  for (let i = next.length - 1; i >= 0; i--) {
    if (next[i] !== 0xff) {
      next[i] = (next[i] as number) + 1;
      return next;
    }
    next[i] = 0;
  }
  return undefined;
}

/** The key minus one; of the first key the last one. */
function predecessor(key: Uint8Array): Uint8Array {
  const previous = key.slice();
  for (let i = previous.length - 1; i >= 0; i--) {
    if (previous[i] !== 0) {
      previous[i] = (previous[i] as number) - 1;
      return previous;
    }
    previous[i] = 0xff;
  }
  return previous;
}
