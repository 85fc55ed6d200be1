import type { Verdict } from './verdict.ts';

/**
 * A rule is a little program on sixteen 32-bit registers. Registers are counted here in those 32-bit words, 0 to 15;
 * the codec writes word 0, 4, 8 and 12 as NFT_REG_1 to NFT_REG_4, as the kernel and nft do. A wider value takes
 * consecutive words.
 */
export type Register = number;

/** Loads bytes of the packet. */
export interface Payload {
  readonly kind: 'payload';
  readonly base: 'link' | 'network' | 'transport' | 'inner';
  /** Bytes from the base. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
  readonly dest: Register;
}

export type MetaKey =
  | 'protocol'
  | 'priority'
  | 'mark'
  | 'iif'
  | 'oif'
  | 'iifname'
  | 'oifname'
  | 'iiftype'
  | 'oiftype'
  | 'skuid'
  | 'nftrace'
  | 'nfproto'
  | 'l4proto'
  | 'pkttype'
  | 'iifgroup'
  | 'oifgroup';

/** Loads something known about the packet. */
export interface Meta {
  readonly kind: 'meta';
  readonly key: MetaKey;
  readonly dest: Register;
}

/** Writes the packet's mark, for instance. */
export interface MetaSet {
  readonly kind: 'meta-set';
  readonly key: MetaKey;
  readonly source: Register;
}

export type CtKey =
  | 'state'
  | 'direction'
  | 'status'
  | 'mark'
  | 'protocol'
  | 'src'
  | 'dst'
  | 'proto-src'
  | 'proto-dst'
  | 'zone'
  | 'src-ip'
  | 'dst-ip'
  | 'src-ip6'
  | 'dst-ip6';

/** Loads something of the packet's connection. */
export interface Ct {
  readonly kind: 'ct';
  readonly key: CtKey;
  readonly direction?: 'original' | 'reply';
  readonly dest: Register;
}

/** Writes the connection's mark, for instance. */
export interface CtSet {
  readonly kind: 'ct-set';
  readonly key: CtKey;
  readonly source: Register;
}

export type FibInput = 'saddr' | 'daddr' | 'mark' | 'iif' | 'oif' | 'present';

/** Asks the routing table. `type` gives RTN_* numbers: see FIB_TYPE in build/fib.ts. */
export interface Fib {
  readonly kind: 'fib';
  readonly result: 'oif' | 'oifname' | 'type';
  /** In the order of this type's declaration, as listing returns them. */
  readonly inputs: readonly FibInput[];
  readonly dest: Register;
}

/** Counts up per packet, or draws a random number: offset ≤ n < offset + modulus, in host byte order. */
export interface Numgen {
  readonly kind: 'numgen';
  readonly mode: 'inc' | 'random';
  readonly modulus: number;
  readonly offset: number;
  readonly dest: Register;
}

export type CompareOp = '==' | '!=' | '<' | '<=' | '>' | '>=';

/** Goes on only if the register compares so with the value (as a big-endian number). */
export interface Cmp {
  readonly kind: 'cmp';
  readonly source: Register;
  readonly op: CompareOp;
  readonly value: Uint8Array;
}

/** Goes on only if the register is within (`==`) or outside (`!=`) both ends, which belong to the range. */
export interface Range {
  readonly kind: 'range';
  readonly source: Register;
  readonly op: '==' | '!=';
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

/** dest = (source & mask) ^ xor. */
export interface Bitwise {
  readonly kind: 'bitwise';
  readonly source: Register;
  readonly dest: Register;
  readonly mask: Uint8Array;
  readonly xor: Uint8Array;
}

/** Swaps the bytes of each `size`-byte number within `length` bytes on little-endian machines. */
export interface Byteorder {
  readonly kind: 'byteorder';
  readonly source: Register;
  readonly dest: Register;
  readonly op: 'ntoh' | 'hton';
  readonly length: number;
  readonly size: number;
}

/**
 * Looks the key up in a set (goes on only if it is there, or not there when inverted) or in a map: the value goes to
 * `dest`, or is the verdict.
 */
export interface Lookup {
  readonly kind: 'lookup';
  readonly set: string;
  /** The set's `id` when it is anonymous and made in the same transaction. Never listed. */
  readonly setId?: number;
  readonly source: Register;
  readonly dest?: Register | 'verdict';
  readonly inverted?: boolean;
}

/** Adds, refreshes or deletes an element; goes on unless the set is full. */
export interface Dynset {
  readonly kind: 'dynset';
  readonly set: string;
  readonly setId?: number;
  readonly op: 'add' | 'update' | 'delete';
  readonly sourceKey: Register;
  readonly sourceData?: Register;
  /** Milliseconds. */
  readonly timeout?: number;
  readonly inverted?: boolean;
  /** Run for each element: a counter, for instance. */
  readonly expressions?: readonly Expression[];
}

/** Puts a constant into a register. */
export interface Immediate {
  readonly kind: 'immediate';
  readonly dest: Register;
  readonly value: Uint8Array;
}

/** Decides. */
export interface VerdictExpression {
  readonly kind: 'verdict';
  readonly verdict: Verdict;
}

export interface Counter {
  readonly kind: 'counter';
  readonly packets: bigint;
  readonly bytes: bigint;
}

/**
 * NF_NAT_RANGE_* of linux/netfilter/nf_nat.h, without the two that the kernel sets by itself when an address or a port
 * is given.
 */
export type NatFlag = 'random' | 'persistent' | 'fully-random' | 'proto-offset' | 'netmap';

/** Source address := that of the outgoing interface. Postrouting, nat chains only. */
export interface Masquerade {
  readonly kind: 'masquerade';
  /** In the order of this type's declaration, as listing returns them. */
  readonly flags: readonly NatFlag[];
  readonly portMin?: Register;
  readonly portMax?: Register;
}

export interface Nat {
  readonly kind: 'nat';
  readonly type: 'snat' | 'dnat';
  readonly family: 'ip' | 'ip6';
  readonly addressMin?: Register;
  /** Same as `addressMin` when absent. */
  readonly addressMax?: Register;
  readonly portMin?: Register;
  readonly portMax?: Register;
  readonly flags: readonly NatFlag[];
}

/** Drops and tells the sender. */
export interface Reject {
  readonly kind: 'reject';
  readonly with: 'icmp' | 'tcp-reset' | 'icmpx';
  /** ICMP code; for `icmpx` NFT_REJECT_ICMPX_*: 1 is port unreachable. */
  readonly code: number;
}

/** The packet's connection is not tracked. */
export interface Notrack {
  readonly kind: 'notrack';
}

/**
 * An expression that is not modelled, or one that carries an attribute which is not: kept as its bytes (the whole
 * content of NFTA_EXPR_DATA), so that a rule can be written back as it was read.
 */
export interface Opaque {
  readonly kind: 'opaque';
  readonly name: string;
  readonly data?: Uint8Array;
}

export type Expression =
  | Payload
  | Meta
  | MetaSet
  | Ct
  | CtSet
  | Fib
  | Numgen
  | Cmp
  | Range
  | Bitwise
  | Byteorder
  | Lookup
  | Dynset
  | Immediate
  | VerdictExpression
  | Counter
  | Masquerade
  | Nat
  | Reject
  | Notrack
  | Opaque;
