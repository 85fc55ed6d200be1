import type { Attribute } from '../../netlink/codec/attributes.ts';
import type { Expression } from './expression.ts';
import type { Family } from './family.ts';

/** What names a rule: the handle that the kernel gave it. */
export interface RuleRef {
  readonly family: Family;
  readonly table: string;
  readonly chain: string;
  readonly handle: bigint;
}

/** A rule's name and what it says of itself: enough to find and delete the rules that someone made. */
export interface RuleLabel extends RuleRef {
  readonly comment?: string;
}

export interface Rule {
  readonly kind: 'rule';
  readonly family: Family;
  readonly table: string;
  readonly chain: string;
  readonly expressions: readonly Expression[];
  /** At most 128 bytes of UTF-8; nft prints it behind the rule. */
  readonly comment?: string;
  /** Given by the kernel. */
  readonly handle?: bigint;
  /**
   * In an `add`: the handle of the rule to come after; in an `insert`: of the rule to come before. Absent: at the
   * chain's end or start.
   */
  readonly position?: bigint;
  readonly unknown?: readonly Attribute[];
}
