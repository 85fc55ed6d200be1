/** What `iptables-save` prints of the filter table, and what `iptables-restore --noflush` is told. Pure. */

import { type Cidr, formatCidr, networkOf } from '../../../../shared/ip/cidr.ts';
import {
  type ChainLookup,
  type FilterChain,
  type FilterRule,
  type Placement,
  placeAccept,
  scopeOfInterfaces,
  standsRight,
} from './forward-chain.ts';

/** A chain of the agent's in iptables' filter table, and the jump to it. */
export interface AcceptChain {
  readonly name: string;
  /** Comment of the jump. */
  readonly comment: string;
  /** Comment of each rule in the chain. */
  readonly ruleComment?: string;
  /** It is there in any case, not only where something drops. */
  readonly always: boolean;
}

/** The agent's chain where somebody else drops; flanneld's is FLANNEL-FWD. */
export const OWN_CHAIN = 'UNDERPOD-FORWARD';
export const GUARD_CHAIN: AcceptChain = {
  name: OWN_CHAIN,
  comment: 'underpod agent: forward pods',
  always: false,
};

/** Chains that an administrator's or Docker's drops stand in, which get the accept. */
const GUARDED = ['FORWARD', 'DOCKER-USER'] as const;

/** The filter table's chains by name. */
export type IptablesTable = ReadonlyMap<string, FilterChain<IptablesRule>>;

export interface IptablesRule extends FilterRule {
  /** As printed, after the chain's name. */
  readonly text: string;
}

/** Reads the filter table out of `iptables-save`'s text; other tables are passed over. */
export function parseIptablesSave(text: string): IptablesTable {
  const chains = new Map<string, { name: string; policy?: 'accept' | 'drop'; rules: IptablesRule[] }>();
  let inFilter = false;
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) inFilter = line.trim() === '*filter';
    if (!inFilter) continue;
    const chain = /^:(\S+) (\S+)/.exec(line);
    if (chain) {
      const [, name = '', policy] = chain;
      chains.set(name, {
        name,
        ...(policy !== '-' && { policy: policy === 'DROP' ? 'drop' : 'accept' }),
        rules: [],
      });
      continue;
    }
    const rule = /^-A (\S+) ?(.*)$/.exec(line);
    if (rule) chains.get(rule[1] ?? '')?.rules.push(parseRule(rule[2] ?? ''));
  }
  return chains;
}

/** What a table lacks for pods to be forwarded. */
export interface IptablesPlan {
  /** For `iptables-restore --noflush`; `undefined`: nothing to do. */
  readonly input: string | undefined;
  /** Chains whose rules decided. */
  readonly lookedAt: readonly string[];
}

/**
 * Plans the accept of a family's cluster networks in a filter table.
 *
 * @param ownIsRight whether the agent's own chain there holds what `ownRules` gives
 */
export function planIptables(
  lookup: ChainLookup,
  networks: readonly Cidr[],
  ownIsRight: boolean,
  own: AcceptChain = GUARD_CHAIN,
): IptablesPlan {
  const lines: string[] = [];
  const lookedAt = new Set<string>([own.name]);
  let needed = own.always;
  for (const name of GUARDED) {
    // Without a table iptables-restore makes it, with an empty FORWARD that accepts.
    const found = lookup(name) ?? (own.always && name === 'FORWARD' ? { name, rules: [] } : undefined);
    if (!found) continue;
    const chain = withOurs(found, own.name);
    const placement = placeAccept(chain, lookup, GUARDED);
    for (const other of placement.lookedAt) lookedAt.add(other);
    // Where nothing drops, any place will do.
    const there = placement.needed ? placement : { ...placement, before: undefined };
    if (!placement.needed && !(own.always && name === 'FORWARD')) continue;
    needed = true;
    if (!standsRight(chain, there, 1)) lines.push(...moveJump(chain, there, own));
  }
  if (!needed || (lines.length === 0 && ownIsRight)) return { input: undefined, lookedAt: [...lookedAt] };
  // Declaring the chain empties it; all happens in one transaction.
  const rules = ownRules(networks, own).map((rule) => `-A ${own.name} ${rule}`);
  const input = ['*filter', `:${own.name} - [0:0]`, ...rules, ...lines, 'COMMIT', ''].join('\n');
  return { input, lookedAt: [...lookedAt] };
}

/** Which jumps are ours depends on the chain that is asked about. */
function withOurs(chain: FilterChain, name: string): FilterChain {
  const isOurs = ({ effect }: FilterRule): boolean => typeof effect === 'object' && effect.jump === name;
  return { ...chain, rules: chain.rules.map((rule) => ({ ...rule, ours: isOurs(rule) })) };
}

/** The rules of the agent's own chain, as iptables-save prints them. */
export function ownRules(
  networks: readonly Cidr[],
  { ruleComment }: Pick<AcceptChain, 'ruleComment'> = {},
): string[] {
  const comment = ruleComment === undefined ? '' : `-m comment --comment "${ruleComment}" `;
  return networks.flatMap((network) => {
    const text = formatCidr(networkOf(network));
    return [`-s ${text} ${comment}-j ACCEPT`, `-d ${text} ${comment}-j ACCEPT`];
  });
}

/** True if the agent's chain in a table that iptables-save printed is right. */
export function isOwnChainRight(
  table: IptablesTable,
  networks: readonly Cidr[],
  own: AcceptChain = GUARD_CHAIN,
): boolean {
  const found = table.get(own.name)?.rules.map((rule) => rule.text);
  const wanted = ownRules(networks, own);
  return (
    found !== undefined && found.length === wanted.length && found.every((rule, at) => rule === wanted[at])
  );
}

/** Deletes the jumps that are there, the last first, and puts one before the rule that drops, or at the end. */
function moveJump(chain: FilterChain, { before }: Placement, own: AcceptChain): string[] {
  const ours = chain.rules.flatMap((rule, index) => (rule.ours ? [index] : []));
  const deletions = ours.reverse().map((index) => `-D ${chain.name} ${index + 1}`);
  const end = before ?? chain.rules.length;
  const at = end - ours.filter((index) => index < end).length + 1;
  return [...deletions, `-I ${chain.name} ${at} -m comment --comment "${own.comment}" -j ${own.name}`];
}

function parseRule(text: string): IptablesRule {
  const words = text.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? [];
  let effect: FilterRule['effect'] = 'other';
  let specific = false;
  let asked = 0;
  const wanted: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at];
    if (word === '-i' || word === '-o') {
      asked += 1;
      at += 1;
      if (words[at - 2] !== '!') wanted.push(words[at] ?? '');
    } else if (word === '-m' && words[at + 1] === 'comment') {
      at += 3;
    } else if (word === '-j' || word === '-g') {
      effect = effectOfTarget(words[at + 1] ?? '');
      // What follows are the target's own options.
      break;
    } else if (word !== '!') {
      specific = true;
    }
  }
  const ours = typeof effect === 'object' && effect.jump === OWN_CHAIN;
  return { text, effect, ours, scope: specific ? 'some' : scopeOfInterfaces(asked, wanted) };
}

/** Targets of iptables-extensions that neither decide nor call a chain. */
const PASSING =
  /^(LOG|NFLOG|ULOG|MARK|CONNMARK|TCPMSS|TRACE|CT|NFQUEUE|SET|AUDIT|CLASSIFY|DSCP|TOS|TTL|HL|TEE|SECMARK|CONNSECMARK|CHECKSUM)$/;

/** What a target does, by its name. */
export function effectOfTarget(target: string): FilterRule['effect'] {
  switch (target) {
    case 'ACCEPT':
      return 'accept';
    case 'DROP':
    case 'REJECT':
    case 'TARPIT':
      return 'drop';
    case 'RETURN':
      return 'return';
    default:
      return PASSING.test(target) ? 'other' : { jump: target };
  }
}
