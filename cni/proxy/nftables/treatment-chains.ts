/** The chains behind `treatments`: one for each value in use, and the one that it shares with others. Pure. */

import { randomBelow } from '../../../shared/nftables/build/field.ts';
import { setPriority } from '../../../shared/nftables/build/match.ts';
import { dnatFromMap } from '../../../shared/nftables/build/nat.ts';
import { goTo } from '../../../shared/nftables/build/statement.ts';
import type { ModeSettings } from '../mode.ts';
import { type ChainSpec, type RuleSpec, ruleOf } from './chain-spec.ts';
import { type Layout, type SharedName, type TreatmentsName, treatmentsOf } from './layout.ts';
import { fromLocalPods, fromThisNode, markForMasquerade } from './static-rules.ts';
import type { Kind, Value } from './values.ts';

export interface Treatments {
  readonly map: TreatmentsName;
  /** Where the value leads. */
  readonly target: string;
  /** What it takes, in an order in which they can be made. */
  readonly chains: readonly ChainSpec[];
}

/** A value without affinity. */
export function treatment(layout: Layout, settings: ModeSettings, value: Value): Treatments {
  const { kind, number, nodePort = false } = value;
  const map = treatmentsOf(value);
  const pick = pickChain(layout, kind === 'local', nodePort, number);
  if (kind === 'never' || kind === 'local') return { map, target: pick.name, chains: [pick] };
  const name = `${nodePort ? 'node-port-' : ''}${kind}-${number}`;
  if (kind !== 'by-source') {
    const entry = { name, rules: entryRules(layout, settings, kind, pick.name) };
    return { map, target: name, chains: [pick, entry] };
  }
  const here = nodePort ? 'local-node-ports' : 'local';
  if (number === 0) return { map, target: here, chains: [] };
  const entry = { name, rules: bySourceRules(layout, settings, pick.name, here) };
  return { map, target: name, chains: [pick, entry] };
}

/** How a kind of treatment comes to `next`, where an endpoint is chosen. */
export function entryRules(
  layout: Layout,
  settings: ModeSettings,
  kind: Exclude<Kind, 'by-source' | 'local'>,
  next: string,
): RuleSpec[] {
  const pods = kind === 'from-outside' ? fromLocalPods(settings) : [];
  return [
    ...pods.map((condition) => ruleOf(layout, [...condition, goTo(next)])),
    ruleOf(layout, kind === 'never' ? [goTo(next)] : [markForMasquerade(settings), goTo(next)]),
  ];
}

/** Pods of this node and the node itself are served by everybody, others by what runs `here`. */
export function bySourceRules(
  layout: Layout,
  settings: ModeSettings,
  everywhere: string,
  here: string,
): RuleSpec[] {
  return [
    ...fromLocalPods(settings).map((condition) => ruleOf(layout, [...condition, goTo(everywhere)])),
    ruleOf(layout, [fromThisNode(), markForMasquerade(settings), goTo(everywhere)]),
    ruleOf(layout, [goTo(here)]),
  ];
}

/** Chooses one of `number` slots. Where that one is not found, since it was just cleared, the first one is taken. */
function pickChain(layout: Layout, local: boolean, nodePort: boolean, number: number): ChainSpec {
  const slots = `${local ? 'local-' : ''}${nodePort ? 'node-port-' : ''}slots` satisfies SharedName;
  const key = nodePort ? layout.nodePort : layout.frontend;
  const translate = (among: number): RuleSpec =>
    ruleOf(layout, [dnatFromMap(layout.table.family, [...key, randomBelow(among)], slots)]);
  return {
    name: `${local ? 'local-' : ''}${nodePort ? 'node-port-' : ''}pick-${number}`,
    rules: [ruleOf(layout, [setPriority(0)]), translate(number), translate(1)],
  };
}
