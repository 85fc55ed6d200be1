import type { Chain, ChainRef } from '../model/chain.ts';
import type { Element } from '../model/element.ts';
import type { Family } from '../model/family.ts';
import type { Rule } from '../model/rule.ts';
import type { NftMap, NftSet, SetRef } from '../model/set.ts';
import type { Table, TableRef } from '../model/table.ts';

/** An element together with the moment it expires at, in the clock's milliseconds. */
export interface Held {
  readonly element: Element;
  readonly expiresAt: number;
}

export interface ChainState {
  chain: Chain;
  rules: (Rule & { readonly handle: bigint })[];
}

export interface SetState {
  set: NftSet | NftMap;
  /** By the key's bytes as text. */
  elements: Map<string, Held>;
}

export interface TableState {
  table: Table;
  chains: Map<string, ChainState>;
  sets: Map<string, SetState>;
  /** The last handle given to a chain, rule or set of this table. */
  lastHandle: bigint;
}

/** What a refused operation throws inside the fake; the class turns it into an NftError with the operation. */
export class Refusal extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/**
 * The state that one transaction works on: it copies what it changes, so that dropping it undoes everything.
 */
export class Draft {
  readonly tables: Map<string, TableState>;
  lastTableHandle: bigint;
  readonly #own = new Set<object>();

  constructor(tables: ReadonlyMap<string, TableState>, lastTableHandle: bigint) {
    this.tables = new Map(tables);
    this.lastTableHandle = lastTableHandle;
  }

  findTable({ family, name }: TableRef): TableState | undefined {
    const key = tableKey(family, name);
    const found = this.tables.get(key);
    if (found === undefined || this.#own.has(found)) return found;
    const copy = { ...found, chains: new Map(found.chains), sets: new Map(found.sets) };
    this.#own.add(copy);
    this.tables.set(key, copy);
    return copy;
  }

  /** @throws Refusal ENOENT */
  table(family: Family, name: string): TableState {
    return this.findTable({ family, name }) ?? refuse('ENOENT');
  }

  /** @throws Refusal ENOENT */
  chain({ family, table, name }: ChainRef): ChainState {
    const { chains } = this.table(family, table);
    const found = chains.get(name) ?? refuse('ENOENT');
    if (this.#own.has(found)) return found;
    const copy = { ...found, rules: [...found.rules] };
    this.#own.add(copy);
    chains.set(name, copy);
    return copy;
  }

  /** A set to be changed. @throws Refusal ENOENT */
  set({ family, table, name }: SetRef): SetState {
    const { sets } = this.table(family, table);
    const found = sets.get(name) ?? refuse('ENOENT');
    if (this.#own.has(found)) return found;
    const copy = { ...found, elements: new Map(found.elements) };
    this.#own.add(copy);
    sets.set(name, copy);
    return copy;
  }
}

export function tableKey(family: Family, name: string): string {
  return `${family} ${name}`;
}

export function refuse(code: string): never {
  throw new Refusal(code);
}

export function nextHandle(table: TableState): bigint {
  table.lastHandle += 1n;
  return table.lastHandle;
}
