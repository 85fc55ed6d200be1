/**
 * The agent's rules in iptables: flanneld's chains FLANNEL-POSTRTG and FLANNEL-FWD. They are looked at over netlink or
 * by a socket option; a program runs only to see what differs and to put it right, one iptables-restore a family.
 */

import {
  findPrograms,
  type IptablesPrograms,
  type IptablesVariant,
  plainName,
  restore,
} from '../../../../shared/iptables/programs.ts';
import type { Logger } from '../../../../shared/log/logger.ts';
import type { Rule } from '../../../../shared/nftables/model/rule.ts';
import type { TableRef } from '../../../../shared/nftables/model/table.ts';
import type { KernelEvent } from '../../kernel/event.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { type IptablesPlan, isOwnChainRight, planIptables } from '../foreign/iptables-text.ts';
import { listFilterChain } from '../foreign/listed-chain.ts';
import { isOwnNftChainRight } from '../foreign/nft-chain.ts';
import type { PodNetwork, RuleSettings } from '../own-table.ts';
import type { PodRules } from '../pod-rules.ts';
import {
  FORWARD_CHAIN,
  MASQUERADE_CHAIN,
  masqueradeRules,
  planNat,
  planRemoval,
} from './masquerade-chain.ts';
import { ownVariant } from './own-variant.ts';
import { listWithCallers, readFilterTable } from './programs.ts';

export interface IptablesRulesOptions {
  readonly kernel: Kernel;
  readonly log: Logger;
  /** Asked before rules that were in are put in again. */
  readonly allowRepair: (object: string) => boolean;
}

/** What is known of a family: `view` is what the tables looked like when they were right for `wanted`. */
interface Known {
  readonly wanted: string;
  readonly view: string;
}

/** No view of any tables. */
const UNSEEN = 'not looked at since a change';

export class IptablesRules implements PodRules {
  readonly backend = 'iptables';
  readonly #options: IptablesRulesOptions;
  #variant: IptablesVariant | undefined;
  readonly #programs = new Map<4 | 6, IptablesPrograms>();
  readonly #known = new Map<4 | 6, Known>();
  #watched: ReadonlySet<string> = new Set();
  #silent: readonly (string | undefined)[] = [];
  #generation: number | undefined;

  constructor(options: IptablesRulesOptions) {
    this.#options = options;
  }

  get variant(): IptablesVariant | undefined {
    return this.#variant;
  }

  async sync(settings: RuleSettings): Promise<void> {
    const { kernel } = this.#options;
    this.#variant ??= await ownVariant(kernel);
    const generation = kernel.nftables.getGeneration();
    const silent = this.#glances();
    const watched = new Set<string>();
    for (const network of settings.networks) {
      await this.#syncFamily(this.#variant, network, settings, watched);
    }
    this.#watched = watched;
    this.#silent = silent;
    this.#generation = generation;
  }

  mayDiffer(): boolean {
    const variant = this.#variant;
    if (variant !== 'legacy') return this.#options.kernel.nftables.getGeneration() !== this.#generation;
    return [...this.#known].some(([family, { view }]) => view !== this.#view(variant, family));
  }

  changedSilently(): boolean {
    if (this.#variant !== 'legacy') return false;
    return this.#glances().some((glance, index) => glance !== this.#silent[index]);
  }

  concerns(event: KernelEvent): boolean {
    if (this.#variant !== 'nft' || event.kind !== 'nftables') return false;
    if (event.family !== 'ip' && event.family !== 'ip6') return false;
    if (event.table !== 'nat' && event.table !== 'filter') return false;
    const { family, table, chain } = event;
    return (
      chain === undefined || event.isBaseChain === true || this.#watched.has(`${family} ${table} ${chain}`)
    );
  }

  #glances(): (string | undefined)[] {
    const { kernel } = this.#options;
    return ([4, 6] as const).flatMap((family) =>
      ['nat', 'filter'].map((table) => kernel.legacyGlance(family, table)),
    );
  }

  async #syncFamily(
    variant: IptablesVariant,
    network: PodNetwork,
    settings: RuleSettings,
    watched: Set<string>,
  ): Promise<void> {
    const { kernel, log, allowRepair } = this.#options;
    const { family } = network.cluster.ip;
    const programs = await this.#programsOf(variant, family);
    const rules = masqueradeRules(network, settings.fullyRandom);
    const wanted = JSON.stringify([settings.ipMasq ? rules : [], settings.forward]);
    const known = this.#known.get(family);
    // What a program prints has to be asked for only when something looks different.
    // As it was before it is listed: what somebody does meanwhile must not be taken for right.
    const before = this.#view(variant, family);
    const isSeen = known?.wanted === wanted && known.view === before;
    const inputs: (string | undefined)[] = [];
    if (!isSeen) {
      const listed = await listWithCallers(kernel, programs, 'nat', MASQUERADE_CHAIN, ['POSTROUTING']);
      inputs.push(settings.ipMasq ? planNat(rules, listed) : planRemoval('nat', MASQUERADE_CHAIN, listed));
    }
    const lookedAt = [`nat ${MASQUERADE_CHAIN}`, 'nat POSTROUTING'];
    // Over nf_tables all that may drop is looked at, which is more than the view holds.
    if (settings.forward && (!isSeen || variant === 'nft')) {
      const plan = await this.#planFilter(variant, programs, network);
      inputs.push(plan.input);
      for (const name of plan.lookedAt) lookedAt.push(`filter ${name}`);
    }
    if (!settings.forward && !isSeen) {
      const callers = ['FORWARD', 'DOCKER-USER'];
      const listed = await listWithCallers(kernel, programs, 'filter', FORWARD_CHAIN.name, callers);
      inputs.push(planRemoval('filter', FORWARD_CHAIN.name, listed));
    }
    for (const place of lookedAt) watched.add(`${family === 4 ? 'ip' : 'ip6'} ${place}`);
    const input = inputs.filter((part) => part !== undefined).join('');
    if (input !== '') {
      const what = `rules of ${programs.main}`;
      if (known?.wanted === wanted && !allowRepair(what)) return;
      await restore(kernel, programs, input);
      log.info('rules are in', {
        where: programs.main,
        masquerade: settings.ipMasq,
        forward: settings.forward,
      });
    }
    // After a change the next look lists once more.
    this.#known.set(family, { wanted, view: input === '' ? before : UNSEEN });
  }

  async #programsOf(variant: IptablesVariant, family: 4 | 6): Promise<IptablesPrograms> {
    const found = this.#programs.get(family) ?? (await findPrograms(this.#options.kernel, variant, family));
    if (!found) {
      throw new Error(
        `${plainName(family)} (${variant}) is missing: install iptables, or say --rules=nftables`,
      );
    }
    this.#programs.set(family, found);
    return found;
  }

  /** What the tables look like, as far as it matters, without a program. */
  #view(variant: IptablesVariant, family: 4 | 6): string {
    const { kernel } = this.#options;
    if (variant === 'legacy')
      return ['nat', 'filter'].map((name) => kernel.legacyFingerprint(family, name) ?? '').join();
    const table = { family: family === 4 ? 'ip' : 'ip6', name: 'nat' } as const;
    const isJump = ({ expressions }: Rule): boolean => {
      const last = expressions.at(-1);
      return last?.kind === 'verdict' && 'chain' in last.verdict && last.verdict.chain === MASQUERADE_CHAIN;
    };
    const own = kernel.nftables.listRules(table, MASQUERADE_CHAIN);
    const jumps = kernel.nftables.listRules(table, 'POSTROUTING').filter(isJump);
    return JSON.stringify(
      [own, jumps].map((rules) => rules.map(({ expressions }) => expressions)),
      plainly,
    );
  }

  async #planFilter(
    variant: IptablesVariant,
    programs: IptablesPrograms,
    { cluster }: PodNetwork,
  ): Promise<IptablesPlan> {
    const { kernel, log } = this.#options;
    if (variant === 'legacy') {
      const table = await readFilterTable(kernel, programs);
      const isRight = isOwnChainRight(table, [cluster], FORWARD_CHAIN);
      return planIptables((name) => table.get(name), [cluster], isRight, FORWARD_CHAIN);
    }
    const table: TableRef = { family: cluster.ip.family === 4 ? 'ip' : 'ip6', name: 'filter' };
    const chains = kernel.nftables.listChains(table);
    const isRight = isOwnNftChainRight(kernel.nftables.listRules(table, FORWARD_CHAIN.name), [cluster]);
    return planIptables(
      (name) => {
        const chain = chains.find((candidate) => candidate.name === name);
        return (
          chain &&
          listFilterChain(kernel.nftables, table, chain, () =>
            log.warn('a rule of the filter table is not understood', { chain: name }),
          )
        );
      },
      [cluster],
      isRight,
      FORWARD_CHAIN,
    );
  }
}

/** Counters count, and bytes have no form of their own in JSON. */
function plainly(key: string, value: unknown): unknown {
  if (key === 'packets' || key === 'bytes') return undefined;
  if (value instanceof Uint8Array) return value.toHex();
  return typeof value === 'bigint' ? `${value}` : value;
}
