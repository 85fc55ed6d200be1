import type { Expression, Register } from '../model/expression.ts';

/** Something of a packet that can be a key, or part of one. */
export interface Field {
  /** Bytes. */
  readonly size: number;
  /** The network protocol whose header it reads. */
  readonly network?: 'ip' | 'ip6';
  readonly load: (dest: Register) => Expression;
}

export const ipSaddr: Field = network('ip', 12, 4);
export const ipDaddr: Field = network('ip', 16, 4);
export const ip6Saddr: Field = network('ip6', 8, 16);
export const ip6Daddr: Field = network('ip6', 24, 16);
export const l4proto: Field = { size: 1, load: (dest) => ({ kind: 'meta', key: 'l4proto', dest }) };
/** `th sport`: of TCP, UDP or SCTP alike. */
export const thSport: Field = transport(0);
export const thDport: Field = transport(2);
export const packetMark: Field = { size: 4, load: (dest) => ({ kind: 'meta', key: 'mark', dest }) };
export const ctMark: Field = { size: 4, load: (dest) => ({ kind: 'ct', key: 'mark', dest }) };
export const inputInterface: Field = { size: 16, load: (dest) => ({ kind: 'meta', key: 'iifname', dest }) };
export const outputInterface: Field = { size: 16, load: (dest) => ({ kind: 'meta', key: 'oifname', dest }) };

/** `numgen random mod n`: 0 ≤ value < n, in host byte order. */
export function randomBelow(modulus: number): Field {
  return { size: 4, load: (dest) => ({ kind: 'numgen', mode: 'random', modulus, offset: 0, dest }) };
}

function network(protocol: 'ip' | 'ip6', offset: number, size: number): Field {
  return {
    size,
    network: protocol,
    load: (dest) => ({ kind: 'payload', base: 'network', offset, length: size, dest }),
  };
}

function transport(offset: number): Field {
  return { size: 2, load: (dest) => ({ kind: 'payload', base: 'transport', offset, length: 2, dest }) };
}
