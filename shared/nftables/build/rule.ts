import type { ChainRef } from '../model/chain.ts';
import type { Expression } from '../model/expression.ts';
import type { Family } from '../model/family.ts';
import type { Rule } from '../model/rule.ts';

/** A piece of a rule, as a person would write it: `ip saddr 10.0.0.1`, `counter`, `accept`. It appends to a draft. */
export type Part = (draft: RuleDraft) => void;

/** NFPROTO_IPV4, NFPROTO_IPV6 of linux/netfilter.h. */
const NFPROTO = { ip: 2, ip6: 10 } as const;

/** Ethernet types in network byte order. */
const ETHERTYPE = { ip: [0x08, 0x00], ip6: [0x86, 0xdd] } as const;

/** Expressions under construction, together with what they have tested so far. */
export class RuleDraft {
  readonly family: Family;
  readonly expressions: Expression[] = [];
  #network: 'ip' | 'ip6' | undefined;
  #transport: number | undefined;

  constructor(family: Family) {
    this.family = family;
    if (family === 'ip' || family === 'ip6') this.#network = family;
  }

  push(...expressions: Expression[]): void {
    this.expressions.push(...expressions);
  }

  /**
   * Tests the network protocol before the first access to its header, where the family does not imply it. nft writes
   * the same test and leaves it out when it prints the rule.
   */
  needNetwork(protocol: 'ip' | 'ip6'): void {
    if (this.#network === protocol) return;
    if (this.#network !== undefined)
      throw new Error(`a rule of ${this.#network} cannot match ${protocol} as well`);
    this.#network = protocol;
    const inet = this.family === 'inet';
    this.push(
      { kind: 'meta', key: inet ? 'nfproto' : 'protocol', dest: 0 },
      {
        kind: 'cmp',
        source: 0,
        op: '==',
        value: inet ? Uint8Array.of(NFPROTO[protocol]) : Uint8Array.from(ETHERTYPE[protocol]),
      },
    );
  }

  /** Tests the transport protocol (IPPROTO_*) before the first access to its header. */
  needTransport(protocol: number): void {
    if (this.#transport === protocol) return;
    if (this.#transport !== undefined) throw new Error('a rule cannot match two transport protocols');
    this.#transport = protocol;
    this.push(
      { kind: 'meta', key: 'l4proto', dest: 0 },
      { kind: 'cmp', source: 0, op: '==', value: Uint8Array.of(protocol) },
    );
  }
}

/** The expressions of `parts`, as the nft command would write them for a table of this family. */
export function compile(family: Family, ...parts: readonly Part[]): Expression[] {
  const draft = new RuleDraft(family);
  for (const part of parts) part(draft);
  return draft.expressions;
}

/** A rule at the end of `chain`: `rule(chain, [saddr(pod), daddr(net, '!='), masquerade()], 'why')`. */
export function rule(chain: ChainRef, parts: readonly Part[], comment?: string): Rule {
  const { family, table, name } = chain;
  const expressions = compile(family, ...parts);
  return {
    kind: 'rule',
    family,
    table,
    chain: name,
    expressions,
    ...(comment === undefined ? {} : { comment }),
  };
}
