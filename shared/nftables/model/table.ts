import type { Attribute } from '../../netlink/codec/attributes.ts';
import type { Family } from './family.ts';

/** What names a table. */
export interface TableRef {
  readonly family: Family;
  readonly name: string;
}

export interface Table extends TableRef {
  readonly kind: 'table';
  /** At most 128 bytes of UTF-8: what the nft command accepts. Set at creation only; the kernel ignores it later. */
  readonly comment?: string;
  /** A dormant table's base chains see no packets. */
  readonly dormant?: boolean;
  /** Given by the kernel. */
  readonly handle?: bigint;
  readonly unknown?: readonly Attribute[];
}
