/** What the kernel holds of the table, as the planner speaks of it. */

import type { BaseHook } from '../../../shared/nftables/model/chain.ts';
import type { Element } from '../../../shared/nftables/model/element.ts';
import type { NftMap, NftSet } from '../../../shared/nftables/model/set.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import type { RuleSpec } from './chain-spec.ts';
import { packed } from './keys.ts';
import {
  type Layout,
  SHARED,
  type SharedName,
  TREATMENTS,
  type TreatmentsName,
  valueOfKey,
} from './layout.ts';
import { SOURCES } from './object-names.ts';

/** Elements by key: of sets with an empty value, of `firewall` with the name of the chain. */
export type SharedContent = ReadonlyMap<SharedName, Map<string, string>>;

export interface KernelChain {
  readonly base?: BaseHook;
  readonly rules: readonly RuleSpec[];
}

export interface KernelStructure {
  readonly chains: ReadonlyMap<string, KernelChain>;
  /** Without anonymous ones. */
  readonly sets: ReadonlyMap<string, NftSet | NftMap>;
  /** What the sets of networks hold that may use a load balancer. */
  readonly ranges: ReadonlyMap<string, readonly Element[]>;
  readonly treatments: ReadonlyMap<TreatmentsName, ReadonlyMap<number, string | undefined>>;
}

export function readShared(nft: Nftables, { sets }: Layout): SharedContent {
  const content = new Map<SharedName, Map<string, string>>();
  for (const name of SHARED) {
    content.set(name, name === 'firewall' ? readVerdicts(nft, sets.firewall) : nft.listPacked(sets[name]));
  }
  return content;
}

function readVerdicts(nft: Nftables, map: NftSet | NftMap): Map<string, string> {
  const verdicts = new Map<string, string>();
  for (const { key, data } of nft.listElements(map)) {
    if (data === undefined || data instanceof Uint8Array) continue;
    const chain = 'chain' in data ? data.chain : '';
    verdicts.set(packed(key), data.code === 'jump' ? chain : `${data.code} ${chain}`);
  }
  return verdicts;
}

export function readStructure(nft: Nftables, layout: Layout): KernelStructure {
  const { table } = layout;
  const sets = new Map<string, NftSet | NftMap>();
  const anonymous = new Map<string, NftSet | NftMap>();
  const ranges = new Map<string, readonly Element[]>();
  for (const set of nft.listSets(table)) (set.anonymous ? anonymous : sets).set(set.name, set);
  for (const [name, set] of sets) if (name.startsWith(SOURCES)) ranges.set(name, nft.listElements(set));
  const chains = new Map<string, { base?: BaseHook; rules: RuleSpec[] }>();
  for (const { name, base } of nft.listChains(table)) chains.set(name, { ...(base && { base }), rules: [] });
  for (const { chain, expressions, comment } of nft.listRules(table)) {
    const map = expressions.flatMap((e) => (e.kind === 'lookup' ? (anonymous.get(e.set) ?? []) : []))[0];
    chains.get(chain)?.rules.push({
      expressions,
      ...(comment === undefined ? {} : { comment }),
      ...(map && { choice: nft.listElements(map) }),
    });
  }
  const treatments = new Map<TreatmentsName, Map<number, string | undefined>>();
  for (const name of TREATMENTS) {
    const targets = new Map<number, string | undefined>();
    for (const { key, data } of nft.listElements(layout.sets[name])) {
      const verdict = data instanceof Uint8Array ? undefined : data;
      targets.set(valueOfKey(key), verdict?.code === 'goto' ? verdict.chain : undefined);
    }
    treatments.set(name, targets);
  }
  return { chains, sets, ranges, treatments };
}
