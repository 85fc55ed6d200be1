/**
 * Removes the rules of the other way, iptables or nftables, that a former run of this agent worked by: after the new ones
 * are in, so that there is no moment without any. flanneld's own are left alone where the agent works by nftables: they do
 * the same, and flanneld may still be running.
 */

import { findPrograms, type IptablesVariant, restore } from '../../../shared/iptables/programs.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import { Transaction } from '../../../shared/nftables/transaction.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { OWN_CHAIN } from './foreign/iptables-text.ts';
import { FORWARD_CHAIN, MASQUERADE_CHAIN, planRemoval } from './iptables/masquerade-chain.ts';
import { listWithCallers } from './iptables/programs.ts';
import { OWN_TABLE } from './own-table.ts';
import type { PodRules } from './pod-rules.ts';

export interface FormerRulesOptions {
  readonly kernel: Kernel;
  readonly log: Logger;
  readonly rules: PodRules;
  /** A former run worked by iptables. */
  readonly hadIptables: boolean;
  /** The chains of that run are gone. */
  readonly onRemoved: () => void;
}

type Place = readonly [table: string, chain: string, callers: readonly string[]];

const FLANNEL_CHAINS: readonly Place[] = [
  ['nat', MASQUERADE_CHAIN, ['POSTROUTING']],
  ['filter', FORWARD_CHAIN.name, ['FORWARD', 'DOCKER-USER']],
];
const GUARD_CHAINS: readonly Place[] = [['filter', OWN_CHAIN, ['FORWARD', 'DOCKER-USER']]];

export class FormerRules {
  readonly #options: FormerRulesOptions;
  #hadIptables: boolean;
  #done = false;

  constructor(options: FormerRulesOptions) {
    this.#options = options;
    this.#hadIptables = options.hadIptables;
  }

  /** True while chains of iptables may be there that the agent made, or took over. */
  get hasIptables(): boolean {
    return this.#hadIptables || this.#options.rules.backend === 'iptables';
  }

  /** Looks, and removes what is left. @throws Error where that is refused */
  async remove(): Promise<void> {
    const { rules, onRemoved } = this.#options;
    if (this.#done) return;
    if (rules.backend === 'iptables') {
      this.#removeTable();
      // Its own chains accept forwarding there.
      if (rules.variant) await this.#removeChains(rules.variant, GUARD_CHAINS);
    } else if (this.#hadIptables) {
      for (const variant of ['nft', 'legacy'] as const) await this.#removeChains(variant, FLANNEL_CHAINS);
      this.#hadIptables = false;
      onRemoved();
    }
    this.#done = true;
    this.#tellOfFlannel();
  }

  #removeTable(): void {
    const { kernel, log } = this.#options;
    const { nftables } = kernel;
    if (!nftables.listTables(OWN_TABLE.family).some(({ name }) => name === OWN_TABLE.name)) return;
    nftables.run(new Transaction().deleteTable(OWN_TABLE));
    log.info('former rules are gone', { table: `${OWN_TABLE.family} ${OWN_TABLE.name}` });
  }

  async #removeChains(variant: IptablesVariant, places: readonly Place[]): Promise<void> {
    const { kernel, log } = this.#options;
    for (const family of [4, 6] as const) {
      const there = places.filter(([table, chain]) => this.#mayHave(variant, family, table, chain));
      if (there.length === 0) continue;
      const programs = await findPrograms(kernel, variant, family);
      if (!programs) {
        // Of legacy tables only the programs could tell what is in them.
        if (variant === 'legacy') continue;
        throw new Error(
          `chains of a former run are left in iptables, and its programs are missing: install iptables, or remove ${there.map(([, chain]) => chain).join(' and ')} by hand`,
        );
      }
      const inputs: string[] = [];
      for (const [table, chain, callers] of there) {
        const listed = await listWithCallers(kernel, programs, table, chain, callers);
        inputs.push(planRemoval(table, chain, listed) ?? '');
      }
      const input = inputs.join('');
      if (input === '') continue;
      await restore(kernel, programs, input);
      log.info('former rules are gone', { where: programs.main, chains: there.map(([, chain]) => chain) });
    }
  }

  /** Without a program where possible: one would make the tables that it is asked about. */
  #mayHave(variant: IptablesVariant, family: 4 | 6, table: string, chain: string): boolean {
    const { kernel } = this.#options;
    if (variant === 'legacy') return kernel.legacyFingerprint(family, table) !== undefined;
    const ref = { family: family === 4 ? 'ip' : 'ip6', name: table } as const;
    return kernel.nftables.listChains(ref).some(({ name }) => name === chain);
  }

  #tellOfFlannel(): void {
    const { kernel, log, rules } = this.#options;
    const tables = kernel.nftables.listTables().filter((table) => /^flannel-ipv[46]$/.test(table.name));
    // In iptables they are ours from now on.
    const families = rules.backend === 'nftables' ? (['ip', 'ip6'] as const) : [];
    const chains = families.flatMap((family) =>
      kernel.nftables.listChains({ family, name: 'nat' }).filter((chain) => chain.name === MASQUERADE_CHAIN),
    );
    if (tables.length + chains.length === 0) return;
    log.info(
      'rules of flanneld are still there; they do no harm, and go with a reboot or by hand once flanneld is removed',
      { tables: tables.map((table) => `${table.family} ${table.name}`), iptables_chains: chains.length },
    );
  }
}
