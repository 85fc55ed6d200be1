/** The tables of one variant and family in the kernel, by way of iptables' programs. */

import {
  findPrograms,
  hasChain,
  type IptablesPrograms,
  type IptablesVariant,
  plainName,
  restore,
  saveTable,
} from '../../../shared/iptables/programs.ts';
import type { Family } from '../model/endpoint.ts';
import type { Machine } from './machine.ts';
import type { PlanLimits } from './plan.ts';
import { parseSaved, type SavedTable, TABLE_NAMES } from './tables.ts';

/** Tables of one family in one variant. */
export interface Tables extends PlanLimits {
  /** @throws Error with what the program said */
  save(): Promise<Map<string, SavedTable>>;
  /** All of it or nothing, table by table. @throws IptablesError with what the program said */
  restore(text: string): Promise<void>;
  /** Whether a chain is there, without reading all. @throws Error */
  hasChain(table: string, chain: string): boolean;
  /** Has nobody else in this process at work in these tables meanwhile, who asks for the same. Not to be asked for within `work`. */
  alone<T>(work: () => Promise<T>): Promise<T>;
}

/** @returns `undefined` where the programs are missing. @throws Error where they do not work */
export async function openTables(
  machine: Machine,
  variant: IptablesVariant,
  family: Family,
): Promise<KernelTables | undefined> {
  const programs = await findPrograms(machine, variant, family);
  return programs && new KernelTables(machine, programs);
}

/** As `openTables`. @throws Error which says what to install, where the programs are missing */
export async function needTables(
  machine: Machine,
  variant: IptablesVariant,
  family: Family,
): Promise<KernelTables> {
  const tables = await openTables(machine, variant, family);
  if (tables) return tables;
  throw new Error(
    `${plainName(family)} (${variant}) is missing: install iptables, or write "mode: nftables"`,
  );
}

/**
 * What iptables over nf_tables (1.8.9) does with a transaction takes time by the square of its rules: 32,000 in one take it 9 s,
 * and in transactions of so many 0.2 s. Legacy tables are read and written as a whole each time.
 */
const MOST_RULES = 1000;

/** Who is at work in the tables of a variant and family, and after whom the next one comes. */
const atWork = new Map<string, Promise<unknown>>();

export class KernelTables implements Tables {
  readonly mostRules?: number;
  readonly #machine: Machine;
  readonly #programs: IptablesPrograms;
  /** What legacy tables looked like when they were last read or written here; `undefined`: never. */
  #seen: string | undefined;
  #restoring = false;

  constructor(machine: Machine, programs: IptablesPrograms) {
    this.#machine = machine;
    this.#programs = programs;
    if (programs.variant === 'nft') this.mostRules = MOST_RULES;
  }

  get variant(): IptablesVariant {
    return this.#programs.variant;
  }

  get family(): Family {
    return this.#programs.family;
  }

  async save(): Promise<Map<string, SavedTable>> {
    const { variant, family } = this.#programs;
    // As it was before: what somebody does meanwhile must not be taken for seen.
    const seen = this.#look(true);
    const tables = new Map<string, SavedTable>();
    for (const table of TABLE_NAMES) {
      // The program would make one that is not there.
      if (variant === 'legacy' && !this.#machine.legacy.has(family, table)) continue;
      for (const [name, saved] of parseSaved(await saveTable(this.#machine, this.#programs, table)))
        tables.set(name, saved);
    }
    this.#seen = seen;
    return tables;
  }

  async restore(text: string): Promise<void> {
    const isAsSeen = this.#seen === undefined || this.#look() === this.#seen;
    this.#restoring = true;
    try {
      await restore(this.#machine, this.#programs, text);
    } finally {
      this.#restoring = false;
      // What was somebody else's change before stays one.
      this.#seen = isAsSeen ? this.#look(true) : CHANGED;
    }
  }

  /** Whether somebody else changed legacy tables since they were last read or written here. Others tell it themselves. */
  get isChanged(): boolean {
    if (this.#seen === undefined || this.#restoring) return false;
    return this.#look() !== this.#seen;
  }

  hasChain(table: string, chain: string): boolean {
    const { variant, family } = this.#programs;
    return hasChain(this.#machine, variant, family, table, chain);
  }

  alone<T>(work: () => Promise<T>): Promise<T> {
    const key = `${this.variant} ${this.family}`;
    const turn = (atWork.get(key) ?? Promise.resolve()).then(work);
    atWork.set(
      key,
      turn.catch(() => undefined),
    );
    return turn;
  }

  /** @param closely no matter how long it takes */
  #look(closely = false): string {
    const { variant, family } = this.#programs;
    if (variant === 'nft') return '';
    const { legacy } = this.#machine;
    return TABLE_NAMES.map(
      (table) => (closely ? legacy.lookClosely(family, table) : legacy.glance(family, table)) ?? '',
    ).join();
  }
}

/** What no tables look like. */
const CHANGED = 'changed by somebody else';
