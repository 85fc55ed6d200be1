/**
 * flanneld's chain FLANNEL-POSTRTG in iptables' nat table, rule for rule as flanneld 0.28 has it (`iptables -S`), so that
 * a node changes over in either direction without a rule touched. Pure.
 */

import { formatCidr, networkOf } from '../../../../shared/ip/cidr.ts';
import type { AcceptChain } from '../foreign/iptables-text.ts';
import type { PodNetwork } from '../own-table.ts';

export const MASQUERADE_CHAIN = 'FLANNEL-POSTRTG';

/** flanneld's chain in the filter table. */
export const FORWARD_CHAIN: AcceptChain = {
  name: 'FLANNEL-FWD',
  comment: 'flanneld forward',
  ruleComment: 'flanneld forward',
  always: true,
};

const COMMENT = '-m comment --comment "flanneld masq"';
/** The jump, without the chain that it stands in. */
export const MASQUERADE_JUMP: string = `${COMMENT} -j ${MASQUERADE_CHAIN}`;

/** See own-table.ts for what each is there for. */
const MULTICAST = { 4: '224.0.0.0/4', 6: 'ff00::/8' } as const;

/** The chain's rules for a family. */
export function masqueradeRules({ cluster, node }: PodNetwork, fullyRandom: boolean): string[] {
  const all = formatCidr(networkOf(cluster));
  const own = formatCidr(networkOf(node));
  const translate = `-j MASQUERADE${fullyRandom ? ' --random-fully' : ''}`;
  return [
    `-m mark --mark 0x4000/0x4000 ${COMMENT} -j RETURN`,
    `-s ${own} -d ${all} ${COMMENT} -j RETURN`,
    `-s ${all} -d ${own} ${COMMENT} -j RETURN`,
    `! -s ${all} -d ${own} ${COMMENT} -j RETURN`,
    `-s ${all} ! -d ${MULTICAST[cluster.ip.family]} ${COMMENT} ${translate}`,
    `! -s ${all} -d ${all} ${COMMENT} ${translate}`,
  ];
}

/** A chain, and the rules of those that may call it, as they are; `own` is undefined where there is no such chain. */
export interface ListedChain {
  readonly own: readonly string[] | undefined;
  readonly callers: Readonly<Record<string, readonly string[]>>;
}

/** What to tell `iptables-restore --noflush` so that the nat table holds the chain; `undefined` if it does. */
export function planNat(wanted: readonly string[], listed: ListedChain): string | undefined {
  const jumps = jumpsIn(listed.callers['POSTROUTING'] ?? [], MASQUERADE_CHAIN);
  const isRight =
    listed.own?.length === wanted.length && wanted.every((rule, index) => rule === listed.own?.[index]);
  if (isRight && jumps.length === 1) return undefined;
  return frame('nat', [
    // Declaring the chain empties it.
    ...(isRight ? [] : [`:${MASQUERADE_CHAIN} - [0:0]`]),
    ...(isRight ? [] : wanted.map((rule) => `-A ${MASQUERADE_CHAIN} ${rule}`)),
    // One call is enough; the last goes first, since the numbers of those behind it change.
    ...jumps
      .slice(1)
      .reverse()
      .map((number) => `-D POSTROUTING ${number}`),
    ...(jumps.length === 0 ? [`-A POSTROUTING ${MASQUERADE_JUMP}`] : []),
  ]);
}

/** The same to be rid of a chain and of all that calls it; `undefined` if there is neither. */
export function planRemoval(table: string, chain: string, listed: ListedChain): string | undefined {
  const deletions = Object.entries(listed.callers).flatMap(([caller, rules]) =>
    jumpsIn(rules, chain)
      .reverse()
      .map((number) => `-D ${caller} ${number}`),
  );
  if (!listed.own && deletions.length === 0) return undefined;
  // Only an empty chain that nobody calls can go.
  return frame(table, [`:${chain} - [0:0]`, ...deletions, `-X ${chain}`]);
}

/** Numbers of the rules that call the chain for all packets, whatever their comment. */
function jumpsIn(rules: readonly string[], chain: string): number[] {
  const isJump = (rule: string): boolean =>
    rule.replace(/^-m comment --comment ("[^"]*"|\S+) /, '') === `-j ${chain}`;
  return rules.flatMap((rule, index) => (isJump(rule) ? [index + 1] : []));
}

function frame(table: string, lines: readonly string[]): string {
  return [`*${table}`, ...lines, 'COMMIT', ''].join('\n');
}
