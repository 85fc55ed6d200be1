import { elementsOf } from './codec/element-block.ts';
import { compareKeys } from './codec/interval.ts';
import { encodeTransaction } from './codec/transaction.ts';
import { describe } from './describe.ts';
import { NftError } from './error.ts';
import { addElements, deleteElements, listElements } from './fake/elements.ts';
import {
  addChain,
  addRule,
  addSet,
  addTable,
  deleteChain,
  deleteRule,
  deleteSet,
  deleteTable,
  flushChain,
} from './fake/objects.ts';
import { hasLooseSets } from './fake/references.ts';
import { Draft, Refusal, type TableState, tableKey } from './fake/state.ts';
import type { Chain } from './model/chain.ts';
import type { Element, Elements } from './model/element.ts';
import type { ElementBlock } from './model/element-block.ts';
import type { Family } from './model/family.ts';
import type { Rule, RuleLabel, RuleRef } from './model/rule.ts';
import type { NftMap, NftSet } from './model/set.ts';
import type { Table, TableRef } from './model/table.ts';
import type { CommentMatch, Nftables } from './nftables.ts';
import type { Operation, Transaction } from './transaction.ts';

export interface FakeOptions {
  /** Milliseconds; elements with a timeout expire by it. Default: the time does not pass. */
  readonly now?: () => number;
}

/**
 * A packet filter without a kernel: it keeps what it is told, refuses what the kernel refuses, for the same reasons,
 * and undoes a transaction that fails. No packet passes through it. The contract suite holds it to the kernel.
 */
export class FakeNftables implements Nftables {
  readonly #now: () => number;
  #tables: ReadonlyMap<string, TableState> = new Map();
  #lastTableHandle = 0n;
  #generation = 1;

  constructor(options: FakeOptions = {}) {
    this.#now = options.now ?? (() => 0);
  }

  /** Another filter that holds the same now and goes its own way from here. */
  fork(): FakeNftables {
    const twin = new FakeNftables({ now: this.#now });
    twin.#tables = this.#tables;
    twin.#lastTableHandle = this.#lastTableHandle;
    twin.#generation = this.#generation;
    return twin;
  }

  run(transaction: Transaction, made?: RuleLabel[], generation?: number): void {
    if (transaction.isEmpty) return;
    if (generation !== undefined && generation !== this.#generation)
      throw new NftError('commit a transaction', 'ERESTART');
    // What cannot be encoded, such as a comment that is too long, fails here as it does on the way to the kernel.
    encodeTransaction(transaction, 1);
    const draft = new Draft(this.#tables, this.#lastTableHandle);
    const names = new Map<number, string>();
    for (const operation of transaction.operations) {
      try {
        this.#apply(draft, operation, names);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        throw new NftError(describe(operation), error.code, { operation });
      }
    }
    for (const table of draft.tables.values()) {
      if (hasLooseSets(table))
        throw new NftError('commit a transaction: an anonymous set without a rule', 'EINVAL');
    }
    const before = made && this.#allLabels();
    this.#tables = draft.tables;
    if (before)
      made.push(...[...this.#allLabels()].filter(([name]) => !before.has(name)).map(([, label]) => label));
    this.#lastTableHandle = draft.lastTableHandle;
    this.#generation++;
  }

  listTables(family?: Family): Table[] {
    const all = [...this.#tables.values()].map(({ table }) => table);
    return family === undefined ? all : all.filter((table) => table.family === family);
  }

  listChains(table: TableRef): Chain[] {
    return [...(this.#find(table)?.chains.values() ?? [])].map(({ chain }) => chain);
  }

  listRules(table: TableRef, chain?: string): Rule[] {
    const chains = [...(this.#find(table)?.chains.values() ?? [])];
    return chains
      .filter((state) => chain === undefined || state.chain.name === chain)
      .flatMap(({ rules }) => rules);
  }

  listRuleLabels(
    table: TableRef,
    chain?: string,
    wanted?: string,
    match: CommentMatch = 'whole',
  ): RuleLabel[] {
    const rules = this.listRules(table, chain).filter(
      ({ comment }) =>
        wanted === undefined || (match === 'start' ? comment?.startsWith(wanted) : comment === wanted),
    );
    return rules.map(({ handle = 0n, comment, ...rule }) => ({
      family: rule.family,
      table: rule.table,
      chain: rule.chain,
      handle,
      ...(comment === undefined ? {} : { comment }),
    }));
  }

  findRuleLabels(refs: readonly RuleRef[]): (RuleLabel | undefined)[] {
    return refs.map(({ family, table, chain, handle }) =>
      this.listRuleLabels({ family, name: table }, chain).find((label) => label.handle === handle),
    );
  }

  listSets(table: TableRef): (NftSet | NftMap)[] {
    return [...(this.#find(table)?.sets.values() ?? [])].map(({ set }) => set);
  }

  listElements(ref: NftSet | NftMap): Element[] {
    const found = this.#find({ family: ref.family, name: ref.table })?.sets.get(ref.name);
    return found === undefined ? [] : listElements(found, this.#now());
  }

  listPacked(ref: NftSet | NftMap): Map<string, string> {
    const text = (bytes: Element['data']): string =>
      bytes instanceof Uint8Array ? String.fromCharCode(...bytes) : '';
    return new Map(this.listElements(ref).map(({ key, data }) => [text(key), text(data)]));
  }

  findElement(ref: NftSet | NftMap, key: Uint8Array): Element | undefined {
    return this.listElements(ref).find((element) => compareKeys(element.key, key) === 0);
  }

  getGeneration(): number {
    return this.#generation;
  }

  #allLabels(): Map<string, RuleLabel> {
    const labels = this.listTables().flatMap((table) => this.listRuleLabels(table));
    return new Map(labels.map((label) => [`${label.family} ${label.table} ${label.handle}`, label]));
  }

  #find({ family, name }: TableRef): TableState | undefined {
    return this.#tables.get(tableKey(family, name));
  }

  /** @param names of the sets that this transaction made and gave an id */
  #apply(draft: Draft, operation: Operation, names: Map<number, string>): void {
    const resolve = (name: string, id: number | undefined): string =>
      (id === undefined ? undefined : names.get(id)) ?? name;
    const known = ({ set, elements }: Elements): Elements => ({
      kind: 'elements',
      set: { ...set, name: resolve(set.name, set.id) },
      elements,
    });
    switch (operation.verb) {
      case 'add':
      case 'create':
      case 'insert':
      case 'replace': {
        const { verb, object } = operation;
        if (object.kind === 'rule') addRule(draft, verb === 'create' ? 'add' : verb, object, resolve);
        else if (object.kind === 'table') addTable(draft, creation(verb), object);
        else if (object.kind === 'chain') addChain(draft, creation(verb), object);
        else if (object.kind === 'block') addElements(draft, creation(verb), spread(object), this.#now());
        else if (object.kind === 'elements') addElements(draft, creation(verb), known(object), this.#now());
        else {
          const name = addSet(draft, creation(verb), object);
          if (object.id !== undefined) names.set(object.id, name);
        }
        return;
      }
      case 'delete':
        applyDelete(draft, operation, known, this.#now());
        return;
      case 'flush':
        applyFlush(draft, operation);
        return;
      default:
        operation satisfies never;
    }
  }
}

function creation(verb: New['verb']): 'add' | 'create' {
  return verb === 'create' ? 'create' : 'add';
}

type New = Extract<Operation, { verb: 'add' | 'create' | 'insert' | 'replace' }>;

function applyDelete(
  draft: Draft,
  operation: Extract<Operation, { verb: 'delete' }>,
  known: (elements: Elements) => Elements,
  now: number,
): void {
  switch (operation.kind) {
    case 'table':
      deleteTable(draft, operation.ref);
      return;
    case 'chain':
      deleteChain(draft, operation.ref);
      return;
    case 'rule':
      deleteRule(draft, operation.ref);
      return;
    case 'set':
      deleteSet(draft, operation.ref);
      return;
    case 'elements':
      deleteElements(draft, known(operation.object), now);
      return;
    case 'block':
      deleteElements(draft, spread(operation.object), now);
      return;
    default:
      operation satisfies never;
  }
}

function spread(block: ElementBlock): Elements {
  return { kind: 'elements', set: block.set, elements: elementsOf(block) };
}

function applyFlush(draft: Draft, { kind, ref }: Extract<Operation, { verb: 'flush' }>): void {
  if (kind === 'set') draft.set(ref).elements.clear();
  else if (kind === 'chain') flushChain(draft, ref);
  else {
    const { table, chains } = draft.table(ref.family, ref.name);
    for (const name of chains.keys()) flushChain(draft, { family: table.family, table: table.name, name });
  }
}
