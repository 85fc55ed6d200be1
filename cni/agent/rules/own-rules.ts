/** Keeps the agent's own nftables table as it should be. */

import type { Logger } from '../../../shared/log/logger.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import { OWN_TABLE, ownTable, type RuleSettings } from './own-table.ts';
import { listTable, planTable } from './plan-table.ts';

export interface OwnRulesOptions {
  readonly nftables: Nftables;
  readonly log: Logger;
  /** Asked before rules that were in are put in again. */
  readonly allowRepair: () => boolean;
}

export class OwnRules {
  readonly #options: OwnRulesOptions;
  #settings = '';
  #generation: number | undefined;

  constructor(options: OwnRulesOptions) {
    this.#options = options;
  }

  /** Compares and, where they differ, exchanges the rules in one transaction. @throws NftError */
  sync(settings: RuleSettings): void {
    const { nftables, log, allowRepair } = this.#options;
    const desired = ownTable(settings);
    const transaction = planTable(desired, listTable(nftables, desired));
    const key = JSON.stringify(settings, (_key, value: unknown) =>
      typeof value === 'bigint' ? `${value}` : value,
    );
    if (transaction) {
      if (this.#settings === key && !allowRepair()) return;
      nftables.run(transaction);
      log.info('rules are in', {
        table: `${OWN_TABLE.family} ${OWN_TABLE.name}`,
        masquerade: settings.ipMasq,
      });
    }
    this.#settings = key;
    this.#generation = nftables.getGeneration();
  }

  /** True if anybody has changed any rule since the last comparison. */
  mayDiffer(): boolean {
    return this.#options.nftables.getGeneration() !== this.#generation;
  }

  /** flanneld's own rules, which do the same: told once, left alone, because flanneld may still be running. */
  tellOfFlannel(): void {
    const { nftables, log } = this.#options;
    const tables = nftables.listTables().filter((table) => /^flannel-ipv[46]$/.test(table.name));
    const chains = (['ip', 'ip6'] as const).flatMap((family) =>
      nftables.listChains({ family, name: 'nat' }).filter((chain) => chain.name === 'FLANNEL-POSTRTG'),
    );
    if (tables.length + chains.length === 0) return;
    log.info(
      'rules of flanneld are still there; they do no harm, and go with a reboot or by hand once flanneld is removed',
      { tables: tables.map((table) => `${table.family} ${table.name}`), iptables_chains: chains.length },
    );
  }
}
