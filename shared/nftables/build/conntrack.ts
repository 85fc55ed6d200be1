import { hostU32 } from './bytes.ts';
import type { Part } from './rule.ts';

/** enum ip_conntrack_info as bits (NF_CT_STATE_BIT, linux/netfilter/nf_conntrack_common.h). */
const STATE = { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 } as const;

/** enum ip_conntrack_status of linux/netfilter/nf_conntrack_common.h. */
const STATUS = {
  expected: 1,
  'seen-reply': 2,
  assured: 4,
  confirmed: 8,
  snat: 16,
  dnat: 32,
  dying: 512,
} as const;

/** `ct state established,related`: any of them. */
export function ctState(...states: readonly (keyof typeof STATE)[]): Part {
  return anyBit(
    'state',
    states.reduce<number>((bits, state) => bits | STATE[state], 0),
  );
}

/** `ct status dnat`: any of them. */
export function ctStatus(...states: readonly (keyof typeof STATUS)[]): Part {
  return anyBit(
    'status',
    states.reduce<number>((bits, state) => bits | STATUS[state], 0),
  );
}

/** `ct mark set 5`. */
export function setCtMark(value: number): Part {
  return (draft) =>
    draft.push(
      { kind: 'immediate', dest: 0, value: hostU32(value) },
      { kind: 'ct-set', key: 'mark', source: 0 },
    );
}

function anyBit(key: 'state' | 'status', bits: number): Part {
  return (draft) =>
    draft.push(
      { kind: 'ct', key, dest: 0 },
      { kind: 'bitwise', source: 0, dest: 0, mask: hostU32(bits), xor: hostU32(0) },
      { kind: 'cmp', source: 0, op: '!=', value: hostU32(0) },
    );
}
