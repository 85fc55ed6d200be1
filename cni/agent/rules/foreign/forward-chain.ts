/**
 * Where other people's chains drop forwarded packets, and where in them an accept for pods has to stand. Pure.
 *
 * An accept in the agent's own table does not override a drop in another base chain of the same hook, so the accept
 * has to be put into that chain. It stands before the first rule that drops in general (without asking for anything
 * but interfaces), else at the end: whoever drops certain addresses, ports or states means it, and so does a policy
 * engine whose chain is called first.
 */

export interface FilterRule {
  /** What it does to the packets it matches. `other` goes on, or does something that is nobody's concern here. */
  readonly effect: 'accept' | 'drop' | 'return' | 'other' | { readonly jump: string };
  /** All packets; those of certain interfaces, which may be pods'; or those that match something else. */
  readonly scope: 'all' | 'interfaces' | 'some';
  /** One that the agent put there. */
  readonly ours: boolean;
}

export interface FilterChain<R extends FilterRule = FilterRule> {
  readonly name: string;
  /** Of a base chain: what happens to packets that no rule decides. */
  readonly policy?: 'accept' | 'drop';
  readonly rules: readonly R[];
}

/** Finds a chain of the same table by its name. */
export type ChainLookup = (name: string) => FilterChain | undefined;

export interface Placement {
  /** Packets of pods are dropped here unless an accept stands in the right place. */
  readonly needed: boolean;
  /** Index of the rule that the accept has to stand before; `undefined`: the end of the chain will do. */
  readonly before: number | undefined;
  /** Chains whose rules were looked at: when one of them changes, the answer may change. */
  readonly lookedAt: readonly string[];
}

/** @param separate chains that get an accept of their own where they drop: a jump to one does not count here */
export function placeAccept(
  chain: FilterChain,
  lookup: ChainLookup,
  separate: readonly string[] = [],
): Placement {
  const lookedAt = new Set([chain.name]);
  for (const [before, rule] of chain.rules.entries()) {
    if (rule.ours) continue;
    const verdict = verdictOf(rule, lookup, lookedAt, separate);
    if (verdict === undefined) continue;
    return { needed: verdict === 'drop', before, lookedAt: [...lookedAt] };
  }
  return { needed: chain.policy === 'drop', before: undefined, lookedAt: [...lookedAt] };
}

/** True if all accepts of the agent (`count` of them) stand before the place, and none elsewhere. */
export function standsRight(chain: FilterChain, placement: Placement, count: number): boolean {
  const ours = chain.rules.flatMap((rule, index) => (rule.ours ? [index] : []));
  const end = placement.before ?? chain.rules.length;
  return ours.length === count && ours.every((index) => index < end);
}

/**
 * Interfaces of container engines and hypervisors that keep their guests to themselves: what they drop for these is
 * none of the pods' business.
 */
const OTHERS_INTERFACES =
  /^(lo|docker0|docker_gwbridge|br-[0-9a-f]{12}|virbr\d+(-nic)?|podman\d+|cni-podman\d+|lxcbr\d+|lxdbr\d+|incusbr\d+)$/;

/** The scope of a rule that asks for nothing but these interfaces. @param wanted those that it wants, not refuses */
export function scopeOfInterfaces(asked: number, wanted: readonly string[]): FilterRule['scope'] {
  if (asked === 0) return 'all';
  return wanted.some((name) => OTHERS_INTERFACES.test(name)) ? 'some' : 'interfaces';
}

/** What a rule decides for pods' packets in general; `undefined` when it lets (some of) them go on. */
function verdictOf(
  rule: FilterRule,
  lookup: ChainLookup,
  lookedAt: Set<string>,
  separate: readonly string[],
): 'accept' | 'drop' | undefined {
  if (rule.scope === 'some' || rule.effect === 'other' || rule.effect === 'return') return undefined;
  const verdict =
    typeof rule.effect === 'string'
      ? rule.effect
      : verdictOfChain(rule.effect.jump, lookup, lookedAt, separate);
  // An accept of some interfaces leaves the packets of others to what follows.
  return verdict === 'accept' && rule.scope === 'interfaces' ? undefined : verdict;
}

function verdictOfChain(
  name: string,
  lookup: ChainLookup,
  lookedAt: Set<string>,
  separate: readonly string[],
): 'accept' | 'drop' | undefined {
  // A chain that was looked at before let packets go on then.
  if (lookedAt.has(name) || separate.includes(name)) return undefined;
  lookedAt.add(name);
  for (const rule of lookup(name)?.rules ?? []) {
    if (rule.ours) continue;
    if (rule.effect === 'return' && rule.scope === 'all') return undefined;
    const verdict = verdictOf(rule, lookup, lookedAt, separate);
    if (verdict !== undefined) return verdict;
  }
  return undefined;
}
