import { hostU32, interfaceName } from './bytes.ts';
import type { Part } from './rule.ts';

/** `iifname "eth0"`. A name that ends in `*` matches every interface that begins so. */
export function iifname(name: string, op: '==' | '!=' = '=='): Part {
  return matchName('iifname', name, op);
}

/** `oifname "eth0"`, wildcard as in `iifname`. */
export function oifname(name: string, op: '==' | '!=' = '=='): Part {
  return matchName('oifname', name, op);
}

function matchName(key: 'iifname' | 'oifname', name: string, op: '==' | '!='): Part {
  const value = name.endsWith('*') ? new TextEncoder().encode(name.slice(0, -1)) : interfaceName(name);
  return (draft) => draft.push({ kind: 'meta', key, dest: 0 }, { kind: 'cmp', source: 0, op, value });
}

/** `meta mark & mask == value`: tests some bits of the packet's mark. */
export function markIs(mask: number, value: number, op: '==' | '!=' = '=='): Part {
  return (draft) =>
    draft.push(
      { kind: 'meta', key: 'mark', dest: 0 },
      { kind: 'bitwise', source: 0, dest: 0, mask: hostU32(mask), xor: hostU32(0) },
      { kind: 'cmp', source: 0, op, value: hostU32(value) },
    );
}

/** `meta mark set meta mark | bits`: sets bits and leaves those of others alone. */
export function markOr(bits: number): Part {
  return (draft) =>
    draft.push(
      { kind: 'meta', key: 'mark', dest: 0 },
      { kind: 'bitwise', source: 0, dest: 0, mask: hostU32(~bits), xor: hostU32(bits) },
      { kind: 'meta-set', key: 'mark', source: 0 },
    );
}

/** `meta mark set meta mark ^ bits`: turns bits over and leaves those of others alone. */
export function markXor(bits: number): Part {
  return (draft) =>
    draft.push(
      { kind: 'meta', key: 'mark', dest: 0 },
      { kind: 'bitwise', source: 0, dest: 0, mask: hostU32(-1), xor: hostU32(bits) },
      { kind: 'meta-set', key: 'mark', source: 0 },
    );
}

/** `meta priority set …`; nft prints 0 as `none`. */
export function setPriority(value: number): Part {
  return (draft) =>
    draft.push(
      { kind: 'immediate', dest: 0, value: hostU32(value) },
      { kind: 'meta-set', key: 'priority', source: 0 },
    );
}

/** RTN_* of linux/rtnetlink.h. */
const FIB_TYPE = {
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
} as const;

/** `fib daddr type local`: the destination is one of this node's addresses, for instance. */
export function fibDaddrType(type: keyof typeof FIB_TYPE, op: '==' | '!=' = '=='): Part {
  return matchFibType('daddr', type, op);
}

/** `fib saddr type local`: the packet comes from one of this node's addresses, for instance. */
export function fibSaddrType(type: keyof typeof FIB_TYPE, op: '==' | '!=' = '=='): Part {
  return matchFibType('saddr', type, op);
}

function matchFibType(input: 'saddr' | 'daddr', type: keyof typeof FIB_TYPE, op: '==' | '!='): Part {
  return (draft) =>
    draft.push(
      { kind: 'fib', result: 'type', inputs: [input], dest: 0 },
      { kind: 'cmp', source: 0, op, value: hostU32(FIB_TYPE[type]) },
    );
}
