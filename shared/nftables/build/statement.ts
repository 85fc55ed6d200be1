import type { Expression, NatFlag } from '../model/expression.ts';
import type { Verdict } from '../model/verdict.ts';
import type { Part } from './rule.ts';

export function accept(): Part {
  return verdict({ code: 'accept' });
}

export function drop(): Part {
  return verdict({ code: 'drop' });
}

/** Back to the chain that jumped here; in a base chain, to its policy. */
export function returns(): Part {
  return verdict({ code: 'return' });
}

/** Goes through `chain` and comes back. */
export function jump(chain: string): Part {
  return verdict({ code: 'jump', chain });
}

/** Goes to `chain` for good. */
export function goTo(chain: string): Part {
  return verdict({ code: 'goto', chain });
}

export function verdict(decision: Verdict): Part {
  return (draft) => draft.push({ kind: 'verdict', verdict: decision });
}

/** Counts packets and bytes that come this far. */
export function counter(): Part {
  return (draft) => draft.push({ kind: 'counter', packets: 0n, bytes: 0n });
}

/**
 * `masquerade`: nat chains of postrouting only. `fully-random` picks source ports at random, so that two connections
 * set up at once rarely collide; `random` is its weaker form for old kernels.
 */
export function masquerade(...flags: readonly NatFlag[]): Part {
  return (draft) => draft.push({ kind: 'masquerade', flags });
}

/** NFT_REJECT_ICMPX_* of linux/netfilter/nf_tables.h: codes that fit either version of IP. */
const ICMPX = { 'no-route': 0, 'port-unreachable': 1, 'host-unreachable': 2, 'admin-prohibited': 3 } as const;

/** `reject`: drops and tells the sender, by default that nobody listens on the port. */
export function reject(code: keyof typeof ICMPX = 'port-unreachable'): Part {
  return (draft) => draft.push({ kind: 'reject', with: 'icmpx', code: ICMPX[code] });
}

/** Codes of ICMP and ICMPv6 for a port that nobody listens on (RFC 792, RFC 4443). */
const PORT_UNREACHABLE = { ip: 3, ip6: 4 } as const;

/** `reject` as it is in a table of one family of IP, where the kernel has no code that fits either (nft_reject_ipv4). */
export function rejectIn(family: 'ip' | 'ip6'): Part {
  return (draft) => draft.push({ kind: 'reject', with: 'icmp', code: PORT_UNREACHABLE[family] });
}

/** `reject with tcp reset`, in a rule that matches TCP. */
export function rejectWithTcpReset(): Part {
  return (draft) => draft.push({ kind: 'reject', with: 'tcp-reset', code: 0 });
}

/** Expressions as they are, for what has no builder. */
export function raw(...expressions: readonly Expression[]): Part {
  return (draft) => draft.push(...expressions);
}
