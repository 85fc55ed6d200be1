import type { Chain } from './model/chain.ts';
import type { Element } from './model/element.ts';
import type { Family } from './model/family.ts';
import type { Rule, RuleLabel, RuleRef } from './model/rule.ts';
import type { NftMap, NftSet } from './model/set.ts';
import type { Table, TableRef } from './model/table.ts';
import type { Transaction } from './transaction.ts';

/** How a comment is compared. */
export type CommentMatch = 'whole' | 'start';

/**
 * The packet filter of one network namespace: the kernel's, or a fake that behaves like it. One contract suite
 * (contract.ts) holds both to the same behaviour.
 *
 * Everything is synchronous: a transaction is one system call that returns when the kernel has committed it.
 *
 * Listing what lies in a table, chain or set that does not exist gives an empty list, as listing an empty one does.
 * Lists are consistent: one that a commit interrupted is read again.
 */
export interface Nftables {
  /**
   * Makes all changes of the transaction, or none. An empty transaction does nothing.
   *
   * @param made takes the rules that were added, with the handles that they got
   * @param generation what `getGeneration` said before it was looked at what is there: when anything has changed since, the
   * transaction is refused with ERESTART (`isOutdated`)
   * @throws NftError naming the operation that failed. Nothing was changed then.
   */
  run(transaction: Transaction, made?: RuleLabel[], generation?: number): void;

  /** All tables, or those of one family. */
  listTables(family?: Family): Table[];

  listChains(table: TableRef): Chain[];

  /** The rules of one chain in their order, or those of all chains of the table. */
  listRules(table: TableRef, chain?: string): Rule[];

  /**
   * As `listRules`, but only handles and comments: all that deleting by comment needs, in a tenth of the time.
   *
   * @param comment only the rules that have just this one, which is quicker still among many
   * @param match `start`: those whose comments begin with it
   */
  listRuleLabels(table: TableRef, chain?: string, comment?: string, match?: CommentMatch): RuleLabel[];

  /** The rules of those handles; undefined for each that is not there. In a long chain far quicker than to list it. */
  findRuleLabels(refs: readonly RuleRef[]): (RuleLabel | undefined)[];

  /** Sets and maps, the anonymous ones included. */
  listSets(table: TableRef): (NftSet | NftMap)[];

  /** In no particular order. */
  listElements(set: NftSet | NftMap): Element[];

  /**
   * As `listElements`, keys and values (empty ones of a set) as strings whose characters are the bytes: a tenth of the
   * memory. For sets without ranges, and maps without verdicts.
   */
  listPacked(set: NftSet | NftMap): Map<string, string>;

  /** One element by its key; undefined where it is not there. */
  findElement(set: NftSet | NftMap, key: Uint8Array): Element | undefined;

  /** A number that every committed transaction of anyone in this namespace changes. */
  getGeneration(): number;
}
