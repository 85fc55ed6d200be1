import type { NftMap, NftSet } from './set.ts';

/**
 * Elements of one set as two runs of bytes, for sets of hundreds of thousands: `Elements` takes ten times the memory.
 * Without ranges, verdicts, timeouts or comments.
 */
export interface ElementBlock {
  readonly kind: 'block';
  readonly set: NftSet | NftMap;
  /** The keys as they lie in registers (see `Element.key`), one behind the other, each `typeLength(set.key)` long. */
  readonly keys: Uint8Array;
  /** Of a map: the values, alike. What is deleted needs none. */
  readonly data?: Uint8Array;
}
