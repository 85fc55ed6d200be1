import type { Chain, ChainRef } from './model/chain.ts';
import type { Element, Elements } from './model/element.ts';
import type { ElementBlock } from './model/element-block.ts';
import type { Rule, RuleRef } from './model/rule.ts';
import type { NftMap, NftSet, SetRef } from './model/set.ts';
import type { Table, TableRef } from './model/table.ts';

/** What can be added or created, besides rules. */
export type New = Table | Chain | NftSet | NftMap | Elements | ElementBlock;

/** One step of a transaction, as plain data. */
export type Operation =
  | { readonly verb: 'add' | 'create'; readonly object: New }
  | { readonly verb: 'add' | 'insert' | 'replace'; readonly object: Rule }
  | { readonly verb: 'delete'; readonly kind: 'table'; readonly ref: TableRef }
  | { readonly verb: 'delete'; readonly kind: 'chain'; readonly ref: ChainRef }
  | { readonly verb: 'delete'; readonly kind: 'rule'; readonly ref: RuleRef }
  | { readonly verb: 'delete'; readonly kind: 'set'; readonly ref: SetRef }
  | { readonly verb: 'delete'; readonly kind: 'elements'; readonly object: Elements }
  | { readonly verb: 'delete'; readonly kind: 'block'; readonly object: ElementBlock }
  | { readonly verb: 'flush'; readonly kind: 'table'; readonly ref: TableRef }
  | { readonly verb: 'flush'; readonly kind: 'chain'; readonly ref: ChainRef }
  | { readonly verb: 'flush'; readonly kind: 'set'; readonly ref: SetRef };

/**
 * A list of changes that the kernel makes together or not at all. Building one touches nothing; `Nftables.run` sends
 * it. Later steps see what earlier ones did.
 *
 * - `add` creates what is missing and leaves alone what is there; of a rule it appends.
 * - `create` fails with EEXIST if the object is there.
 * - `delete` fails with ENOENT if it is not, with EBUSY if something still refers to it.
 * - `destroy` deletes what may be missing.
 * - `flush` empties: a table or chain of rules, a set of elements.
 */
export class Transaction {
  readonly operations: Operation[] = [];

  get isEmpty(): boolean {
    return this.operations.length === 0;
  }

  add(object: New | Rule): this {
    return this.#push({ verb: 'add', object } as Operation);
  }

  create(object: New): this {
    return this.#push({ verb: 'create', object });
  }

  /** Puts a rule at the chain's start, or before `rule.position`. */
  insert(rule: Rule): this {
    return this.#push({ verb: 'insert', object: rule });
  }

  /** Exchanges the rule `rule.handle`; it keeps its place. List it for the new one's handle. */
  replace(rule: Rule & { readonly handle: bigint }): this {
    return this.#push({ verb: 'replace', object: rule });
  }

  addElements(set: NftSet | NftMap, elements: readonly Element[]): this {
    return this.add({ kind: 'elements', set, elements });
  }

  deleteTable(ref: TableRef): this {
    return this.#push({ verb: 'delete', kind: 'table', ref });
  }

  /** Its rules go with it. */
  deleteChain(ref: ChainRef): this {
    return this.#push({ verb: 'delete', kind: 'chain', ref });
  }

  deleteRule(ref: RuleRef): this {
    return this.#push({ verb: 'delete', kind: 'rule', ref });
  }

  deleteRules(refs: Iterable<RuleRef>): this {
    for (const { family, table, chain, handle } of refs) this.deleteRule({ family, table, chain, handle });
    return this;
  }

  deleteSet(ref: SetRef): this {
    return this.#push({ verb: 'delete', kind: 'set', ref });
  }

  deleteElements(set: NftSet | NftMap, elements: readonly Element[]): this {
    return this.#push({ verb: 'delete', kind: 'elements', object: { kind: 'elements', set, elements } });
  }

  deleteBlock(block: ElementBlock): this {
    return this.#push({ verb: 'delete', kind: 'block', object: block });
  }

  /**
   * Deletes the table whether or not it is there. Made of `add` and `delete`, because the kernel's own destroy
   * messages came with Linux 6.3.
   */
  destroyTable(ref: TableRef): this {
    return this.add({ kind: 'table', family: ref.family, name: ref.name }).deleteTable(ref);
  }

  /** Deletes the chain whether or not it is there; its table must be. */
  destroyChain(ref: ChainRef): this {
    return this.add({ kind: 'chain', family: ref.family, table: ref.table, name: ref.name }).deleteChain(ref);
  }

  /** Deletes the set or map whether or not it is there. If it is, it must be of this definition. */
  destroySet(set: NftSet | NftMap): this {
    return this.add(set).deleteSet(set);
  }

  /** Removes the rules of every chain of the table; chains, sets and elements stay. */
  flushTable(ref: TableRef): this {
    return this.#push({ verb: 'flush', kind: 'table', ref });
  }

  flushChain(ref: ChainRef): this {
    return this.#push({ verb: 'flush', kind: 'chain', ref });
  }

  flushSet(ref: SetRef): this {
    return this.#push({ verb: 'flush', kind: 'set', ref });
  }

  #push(operation: Operation): this {
    this.operations.push(operation);
    return this;
  }
}
