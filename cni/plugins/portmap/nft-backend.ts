/** Port mappings in the kernel's nf_tables: one transaction for both families. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import type { Part } from '../../../shared/nftables/build/rule.ts';
import type { RuleLabel } from '../../../shared/nftables/model/rule.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import type { Transaction } from '../../../shared/nftables/transaction.ts';
import { addOrCollect } from '../common/add-rules.ts';
import type { Care, RuleAddition } from '../common/rule-changes.ts';
import type { PortmapConfig } from './config.ts';
import { appendBase, appendPorts, baseChain, baseRules, podChains, portTable } from './nft-rules.ts';

/** What comes with an addition. */
export interface AdditionOptions {
  readonly afterwards: () => Promise<void>;
  /** Takes the pod's rules. */
  readonly made: (own: readonly RuleLabel[]) => void;
  readonly collect?: RuleAddition[] | undefined;
}

/**
 * Adds a pod's mappings, and before them what is missing of the tables; or leaves it all to a caller who collects.
 */
export async function addNftPorts(
  config: PortmapConfig,
  containerId: string,
  targets: readonly Cidr[],
  { afterwards, made, collect }: AdditionOptions,
): Promise<void> {
  const conditions = { 4: await conditionsOf(config, 4), 6: await conditionsOf(config, 6) };
  const addition: RuleAddition = {
    append(transaction, nft, care) {
      for (const target of targets) {
        const { family } = target.ip;
        appendMissing(transaction, nft, family, { conditions: conditions[family], snat: config.snat, care });
        appendPorts(transaction, config, containerId, target);
      }
    },
    afterwards,
    made(labels) {
      const own: RuleLabel[] = [];
      for (const label of labels) if (label.comment === containerId && isPodChain(label)) own.push(label);
      made(own);
    },
  };
  await addOrCollect(addition, collect);
}

/** Other parts of the transaction may have rules of the same comment. */
function isPodChain({ family, table }: RuleLabel): boolean {
  return (family === 'ip' || family === 'ip6') && table === portTable(4).name;
}

async function conditionsOf(config: PortmapConfig, family: 4 | 6): Promise<readonly Part[]> {
  const words = config.conditions[family];
  return words.length === 0 ? [] : (await import('./conditions.ts')).parseConditions(words, family);
}

/**
 * Appends a family's base where it is not there. Of a refusal the cause is a chain that is missing and is written with the
 * one that was looked at, or that only pods with snat have. To add one that is there already would make the close wait for
 * its old self, so it is not done for every pod.
 */
function appendMissing(
  transaction: Transaction,
  nft: Nftables,
  family: 4 | 6,
  {
    conditions,
    snat,
    care,
  }: { readonly conditions: readonly Part[]; readonly snat: boolean; readonly care: Care },
): void {
  const present = nft.listRuleLabels(portTable(family), baseChain).length;
  // With conditions it is written anew each time, as upstream does, for they may have been others.
  if (care === 'usual' && present === baseRules && conditions.length === 0) return;
  appendBase(transaction, family, { conditions, snat, fresh: care === 'usual' && present === 0 });
}

/** A container's rules, ours or upstream's, of both families. */
export function findPorts(nft: Nftables, containerId: string): RuleLabel[] {
  const found: RuleLabel[] = [];
  for (const family of [4, 6] as const) {
    for (const chain of podChains) {
      for (const label of nft.listRuleLabels(portTable(family), chain, containerId)) found.push(label);
    }
  }
  return found;
}
