/**
 * The pods' rules of backend iptables as iptables-nft puts them into nf_tables, for changing them without a program.
 * What is read is compared with what would be written, expression by expression: whatever else is there is left to the
 * programs. Pure.
 */

import type { Ip } from '../../../shared/ip/ip.ts';
import { ipToBytes } from '../../../shared/ip/ip.ts';
import { ByteWriter } from '../../../shared/netlink/codec/wire.ts';
import type { Expression, Opaque } from '../../../shared/nftables/model/expression.ts';
import type { Rule } from '../../../shared/nftables/model/rule.ts';
import type { TableRef } from '../../../shared/nftables/model/table.ts';

export const podChain = 'CNI-FORWARD';

/** The table in which iptables-nft keeps a family's filter rules. */
export function filterTable(family: 4 | 6): TableRef {
  return { family: family === 4 ? 'ip' : 'ip6', name: 'filter' };
}

/** Offsets of the addresses in the IPv4 and IPv6 header (RFC 791, RFC 8200). */
const offsets = { 4: { from: 12, to: 16 }, 6: { from: 8, to: 24 } } as const;

/** NFTA_MATCH_* of linux/netfilter/nf_tables_compat.h. */
const MATCH = { NAME: 1, REVISION: 2, INFO: 3 } as const;

/** struct xt_conntrack_mtinfo3 of linux/netfilter/xt_conntrack.h: its size, rounded up to eight bytes, and two u16 in it. */
const conntrackSize = 168;
const conntrackOffset = { flags: 146, states: 150 } as const;

/** XT_CONNTRACK_STATE; and the bits of ESTABLISHED and RELATED, XT_CONNTRACK_STATE_BIT. */
const matchState = 1;
const establishedOrRelated = 2 | 4;

/** What iptables-nft makes of `-d ADDRESS -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT` and `-s ADDRESS -j ACCEPT`. */
export function podRulesInNft(address: Ip): [Rule, Rule] {
  const { from, to } = offsets[address.family];
  return [ruleOf(address, to, [conntrackMatch()]), ruleOf(address, from, [])];
}

/**
 * What is there of an address's two rules among those given.
 *
 * @returns undefined where another rule is about the address, which only the programs can tell apart
 */
export function findPodRules(rules: readonly Rule[], address: Ip): [Rule[], Rule[]] | undefined {
  const [to, from] = podRulesInNft(address);
  const found: [Rule[], Rule[]] = [[], []];
  const value = ipToBytes(address).toHex();
  for (const rule of rules) {
    if (isSame(rule, to)) found[0].push(rule);
    else if (isSame(rule, from)) found[1].push(rule);
    else if (mentions(rule, value)) return undefined;
  }
  return found;
}

/** True for a rule that sends everything to a chain, whatever its comment. */
export function isPlainJump({ expressions }: Rule, chain: string): boolean {
  let jumps = false;
  for (const expression of expressions) {
    if (expression.kind === 'verdict')
      jumps = expression.verdict.code === 'jump' && expression.verdict.chain === chain;
    else if (expression.kind !== 'counter' && !isComment(expression)) return false;
  }
  return jumps;
}

function ruleOf(address: Ip, offset: number, matches: readonly Expression[]): Rule {
  const { family, name } = filterTable(address.family);
  const value = ipToBytes(address);
  return {
    kind: 'rule',
    family,
    table: name,
    chain: podChain,
    expressions: [
      { kind: 'payload', base: 'network', offset, length: value.length, dest: 0 },
      { kind: 'cmp', source: 0, op: '==', value },
      ...matches,
      { kind: 'counter', packets: 0n, bytes: 0n },
      { kind: 'verdict', verdict: { code: 'accept' } },
    ],
  };
}

function conntrackMatch(): Opaque {
  const info = new Uint8Array(conntrackSize);
  const view = new DataView(info.buffer);
  view.setUint16(conntrackOffset.flags, matchState, true);
  view.setUint16(conntrackOffset.states, establishedOrRelated, true);
  const writer = new ByteWriter(256);
  writer.attrString(MATCH.NAME, 'conntrack');
  writer.attrU32be(MATCH.REVISION, 3);
  writer.attr(MATCH.INFO, info);
  return { kind: 'opaque', name: 'match', data: writer.toBytes() };
}

/** By all that decides; counters differ. */
function isSame(rule: Rule, wanted: Rule): boolean {
  if (rule.expressions.length !== wanted.expressions.length || rule.unknown !== undefined) return false;
  for (let index = 0; index < wanted.expressions.length; index++)
    if (textOf(rule.expressions[index]) !== textOf(wanted.expressions[index])) return false;
  return true;
}

function textOf(expression: Expression | undefined): string {
  switch (expression?.kind) {
    case 'payload':
      return `payload ${expression.base} ${expression.offset} ${expression.length} ${expression.dest}`;
    case 'cmp':
      return `cmp ${expression.source} ${expression.op} ${expression.value.toHex()}`;
    case 'opaque':
      return `${expression.name} ${expression.data?.toHex()}`;
    case 'verdict':
      return `verdict ${expression.verdict.code}`;
    default:
      return expression?.kind ?? '';
  }
}

function mentions({ expressions }: Rule, value: string): boolean {
  for (const expression of expressions)
    if (expression.kind === 'cmp' && expression.value.toHex() === value) return true;
  return false;
}

/** xt_comment's match: its name is the first attribute, 12 bytes with its header. */
function isComment(expression: Expression): boolean {
  if (expression.kind !== 'opaque' || expression.name !== 'match') return false;
  return (
    expression.data !== undefined && new TextDecoder().decode(expression.data.subarray(4, 12)) === 'comment\0'
  );
}
