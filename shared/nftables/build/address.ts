import type { Cidr } from '../../ip/cidr.ts';
import { type Ip, ipToBytes } from '../../ip/ip.ts';
import type { Part } from './rule.ts';

/** Offsets of the addresses in the IPv4 and IPv6 header (RFC 791, RFC 8200). */
const OFFSET = { 4: { source: 12, target: 16 }, 6: { source: 8, target: 24 } } as const;

/** `ip saddr …` or `ip6 saddr …`, whichever the address is. A prefix's host bits are ignored. */
export function saddr(address: Ip | Cidr, op: '==' | '!=' = '=='): Part {
  return matchAddress('source', address, op);
}

/** `ip daddr …` or `ip6 daddr …`. A prefix's host bits are ignored. */
export function daddr(address: Ip | Cidr, op: '==' | '!=' = '=='): Part {
  return matchAddress('target', address, op);
}

function matchAddress(side: 'source' | 'target', address: Ip | Cidr, op: '==' | '!='): Part {
  const ip = 'ip' in address ? address.ip : address;
  const bytes = ipToBytes(ip);
  const prefix = 'ip' in address ? address.prefix : bytes.length * 8;
  return (draft) => {
    draft.needNetwork(ip.family === 4 ? 'ip' : 'ip6');
    const offset = OFFSET[ip.family][side];
    if (prefix > 0 && prefix % 8 === 0) {
      // nft loads just the bytes that the prefix covers; no mask is needed then.
      const value = bytes.slice(0, prefix / 8);
      draft.push({ kind: 'payload', base: 'network', offset, length: value.length, dest: 0 });
      draft.push({ kind: 'cmp', source: 0, op, value });
      return;
    }
    const mask = prefixMask(bytes.length, prefix);
    draft.push(
      { kind: 'payload', base: 'network', offset, length: bytes.length, dest: 0 },
      { kind: 'bitwise', source: 0, dest: 0, mask, xor: new Uint8Array(bytes.length) },
      { kind: 'cmp', source: 0, op, value: masked(bytes, mask) },
    );
  };
}

function prefixMask(length: number, prefix: number): Uint8Array {
  const mask = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const bits = Math.min(8, Math.max(0, prefix - i * 8));
    mask[i] = 0xff00 >> bits;
  }
  return mask;
}

/** Not `bytes.map`: its first use costs a fresh process, as every CNI call is, more than the loop. */
function masked(bytes: Uint8Array, mask: Uint8Array): Uint8Array {
  const result = new Uint8Array(bytes.length);
  for (let at = 0; at < bytes.length; at++) result[at] = (bytes[at] ?? 0) & (mask[at] ?? 0);
  return result;
}
