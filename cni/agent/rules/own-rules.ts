/** Keeps the agent's own nftables table as it should be. */

import type { Logger } from '../../../shared/log/logger.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import type { KernelEvent } from '../kernel/event.ts';
import { OWN_TABLE, ownTable, type RuleSettings } from './own-table.ts';
import { listTable, planTable } from './plan-table.ts';
import type { PodRules } from './pod-rules.ts';

export interface OwnRulesOptions {
  readonly nftables: Nftables;
  readonly log: Logger;
  /** Asked before rules that were in are put in again. */
  readonly allowRepair: () => boolean;
}

export class OwnRules implements PodRules {
  readonly backend = 'nftables';
  readonly variant = undefined;
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

  changedSilently(): boolean {
    return false;
  }

  concerns(event: KernelEvent): boolean {
    return event.kind === 'nftables' && event.family === OWN_TABLE.family && event.table === OWN_TABLE.name;
  }
}
