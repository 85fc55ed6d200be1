import type { Expression, Register } from '../model/expression.ts';

/** Something of a packet that can be a key, or part of one. */
export interface Field {
  /** Bytes. */
  readonly size: number;
  /** The network protocol whose header it reads. */
  readonly network?: 'ip' | 'ip6';
  readonly load: (dest: Register) => Expression;
  /** How nft notes it in a `typeof` declaration (build/typeof.ts). */
  readonly note: TypeofNote;
}

/** The numbers that describe an expression in nft's notes. */
export interface TypeofNote {
  /** EXPR_* of nftables' src/expression.h. */
  readonly expression: number;
  /** What that kind of expression describes itself by; an ABI of nft, see the `*_build_udata` functions. */
  readonly numbers: readonly number[];
}

/** EXPR_PAYLOAD, EXPR_META, EXPR_CT and EXPR_NUMGEN of nftables' src/expression.h. */
const NOTE = { PAYLOAD: 7, META: 9, CT: 12, NUMGEN: 23 } as const;

/** PROTO_DESC_* of nftables' src/proto.h. */
const HEADER = { th: 11, ip: 12, ip6: 13 } as const;

export const ipSaddr: Field = network('ip', 12, 4, 11);
export const ipDaddr: Field = network('ip', 16, 4, 12);
export const ip6Saddr: Field = network('ip6', 8, 16, 8);
export const ip6Daddr: Field = network('ip6', 24, 16, 9);

export const l4proto: Field = {
  size: 1,
  load: (dest) => ({ kind: 'meta', key: 'l4proto', dest }),
  note: { expression: NOTE.META, numbers: [16] },
};

/** `th sport`: of TCP, UDP or SCTP alike. */
export const thSport: Field = transport(0, 1);
export const thDport: Field = transport(2, 2);

/** `meta priority`: the class that a queueing discipline may sort the packet by. */
export const packetPriority: Field = {
  size: 4,
  load: (dest) => ({ kind: 'meta', key: 'priority', dest }),
  note: { expression: NOTE.META, numbers: [2] },
};

export const packetMark: Field = {
  size: 4,
  load: (dest) => ({ kind: 'meta', key: 'mark', dest }),
  note: { expression: NOTE.META, numbers: [3] },
};

export const ctMark: Field = {
  size: 4,
  load: (dest) => ({ kind: 'ct', key: 'mark', dest }),
  note: { expression: NOTE.CT, numbers: [3, -1] },
};

export const inputInterface: Field = {
  size: 16,
  load: (dest) => ({ kind: 'meta', key: 'iifname', dest }),
  note: { expression: NOTE.META, numbers: [6] },
};

export const outputInterface: Field = {
  size: 16,
  load: (dest) => ({ kind: 'meta', key: 'oifname', dest }),
  note: { expression: NOTE.META, numbers: [7] },
};

/** `numgen random mod n`: 0 ≤ value < n, in host byte order. */
export function randomBelow(modulus: number): Field {
  return {
    size: 4,
    load: (dest) => ({ kind: 'numgen', mode: 'random', modulus, offset: 0, dest }),
    note: { expression: NOTE.NUMGEN, numbers: [1, modulus, 0] },
  };
}

/** @param noted number of the header's field in nftables' src/proto.h */
function network(protocol: 'ip' | 'ip6', offset: number, size: number, noted: number): Field {
  return {
    size,
    network: protocol,
    load: (dest) => ({ kind: 'payload', base: 'network', offset, length: size, dest }),
    note: { expression: NOTE.PAYLOAD, numbers: [HEADER[protocol], noted] },
  };
}

function transport(offset: number, noted: number): Field {
  return {
    size: 2,
    load: (dest) => ({ kind: 'payload', base: 'transport', offset, length: 2, dest }),
    note: { expression: NOTE.PAYLOAD, numbers: [HEADER.th, noted] },
  };
}
