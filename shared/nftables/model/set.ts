import type { Attribute } from '../../netlink/codec/attributes.ts';
import type { DataType } from './data-type.ts';
import type { Family } from './family.ts';
import type { UserdataRecord } from './userdata.ts';

/** What names a set or map; the two share one name space within a table. */
export interface SetRef {
  readonly family: Family;
  readonly table: string;
  readonly name: string;
}

interface SetBase extends SetRef {
  /** Several types make a concatenation: each part of a key is padded to four bytes. At most five. */
  readonly key: readonly DataType[];
  /** Elements may be ranges. */
  readonly interval?: boolean;
  /** No element is added or removed after the set is in use. Anonymous sets are constant. */
  readonly constant?: boolean;
  /** Lives and dies with the one rule that uses it; named `__set%d` or `__map%d`, the kernel puts a number there. */
  readonly anonymous?: boolean;
  /** Rules add elements (`dynset`). */
  readonly dynamic?: boolean;
  /** Elements may expire. Implied by `timeout`. */
  readonly timeouts?: boolean;
  /** Milliseconds until an element without its own timeout expires. */
  readonly timeout?: number;
  /** Milliseconds between two collections of expired elements. */
  readonly gcInterval?: number;
  /**
   * Most elements it holds; ENFILE beyond. Worth giving for a large set without ranges or timeouts: the kernel then
   * takes a hash table of fixed size, which loads twice as fast and is listed in half the time.
   */
  readonly size?: number;
  /** `memory` trades look-up speed for a smaller set; default performance. */
  readonly policy?: 'performance' | 'memory';
  readonly comment?: string;
  /**
   * Records of nft's userdata besides the comment and what follows from the types: how a `typeof` declaration reads,
   * for instance. The kernel ignores them.
   */
  readonly hints?: readonly UserdataRecord[];
  /** Names a set in rules and elements of the same transaction; only anonymous sets need it. */
  readonly id?: number;
  /** Given by the kernel. */
  readonly handle?: bigint;
  readonly unknown?: readonly Attribute[];
}

export interface NftSet extends SetBase {
  readonly kind: 'set';
}

export interface NftMap extends SetBase {
  readonly kind: 'map';
  /** What a key maps to: a verdict, or a value of these types. */
  readonly data: readonly DataType[] | 'verdict';
}
