import type { Attribute } from '../../netlink/codec/attributes.ts';
import type { NftMap, NftSet } from './set.ts';
import type { Verdict } from './verdict.ts';

export interface Element {
  /**
   * The key's bytes as they lie in registers: addresses and ports in network order, marks in host order, every part
   * of a concatenation padded with zeros to four bytes (`concat` of build/key.ts does it).
   */
  readonly key: Uint8Array;
  /** Of an interval: the last key that belongs to it. */
  readonly keyEnd?: Uint8Array;
  /** Of a map: the value's bytes (padded like the key), or the verdict. */
  readonly data?: Uint8Array | Verdict;
  /** Milliseconds this element lives; the set's default if absent. */
  readonly timeout?: number;
  /**
   * Milliseconds left; given by the kernel. Of an element with a `timeout` that is added: what it begins with, so that one
   * can be moved to another set.
   */
  readonly expires?: number;
  /** At most 128 bytes of UTF-8. */
  readonly comment?: string;
  readonly unknown?: readonly Attribute[];
}

/** Elements of one set, to be added or deleted together. The set's whole definition says how they are encoded. */
export interface Elements {
  readonly kind: 'elements';
  readonly set: NftSet | NftMap;
  readonly elements: readonly Element[];
}
