import type { Attribute } from '../../netlink/codec/attributes.ts';
import type { Family } from './family.ts';

/** What names a chain. */
export interface ChainRef {
  readonly family: Family;
  readonly table: string;
  readonly name: string;
}

export type ChainType = 'filter' | 'nat' | 'route';

export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting' | 'ingress' | 'egress';

export type Policy = 'accept' | 'drop';

/** What makes a chain a base chain: where it hooks into the packet path. */
export interface BaseHook {
  readonly type: ChainType;
  readonly hook: Hook;
  /** Lower runs first; `PRIORITY` has the names that nft prints. */
  readonly priority: number;
  /** Accept if absent; listing always gives it. */
  readonly policy?: Policy;
  /** What the hook holds besides: the interfaces of ingress and egress. */
  readonly unknown?: readonly Attribute[];
}

export interface Chain extends ChainRef {
  readonly kind: 'chain';
  /** Absent: a regular chain, reached by jump and goto only. */
  readonly base?: BaseHook;
  readonly comment?: string;
  /** Given by the kernel. */
  readonly handle?: bigint;
  readonly unknown?: readonly Attribute[];
}

/** NF_IP_PRI_* of linux/netfilter_ipv4.h, by the names nft prints. */
export const PRIORITY = {
  raw: -300,
  mangle: -150,
  dstnat: -100,
  filter: 0,
  security: 50,
  srcnat: 100,
} as const;
