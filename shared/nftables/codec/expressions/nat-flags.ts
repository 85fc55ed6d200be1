import type { NatFlag } from '../../model/expression.ts';

/** NF_NAT_RANGE_* of linux/netfilter/nf_nat.h. */
export const NAT_FLAGS: Readonly<Record<NatFlag, number>> = {
  random: 1 << 2,
  persistent: 1 << 3,
  'fully-random': 1 << 4,
  'proto-offset': 1 << 5,
  netmap: 1 << 6,
};

/** The kernel sets these by itself where an address or a port is given, and lists them: they say nothing new. */
export const MAP_IPS: number = 1 << 0;
export const PROTO_SPECIFIED: number = 1 << 1;
