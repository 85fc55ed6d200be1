/** All that the table should hold, put together from the state of every service port. Pure. */

import type { ModeSettings } from '../mode.ts';
import type { ChainSpec } from './chain-spec.ts';
import { contentOf, type Sink } from './content.ts';
import type { Counts } from './counts.ts';
import type { Layout } from './layout.ts';
import type { OwnSet, OwnTreatment } from './objects.ts';
import { objectsOf } from './port-objects.ts';
import type { Policy, Programmed } from './programmed.ts';
import { staticChains } from './static-rules.ts';
import type { Structure } from './structure.ts';

/** Sets whose elements several ports share. */
export interface Shared {
  readonly clusterIps: Counts;
  readonly hairpins: Counts;
}

/** Tells every element of the shared maps. */
export function expectedContent(
  programmed: Iterable<Programmed>,
  { clusterIps, hairpins }: Shared,
  policy: Policy,
  sink: Sink,
): void {
  for (const one of programmed) contentOf(one, policy, sink);
  for (const address of hairpins.keys()) sink('hairpin', address + address, '');
  for (const address of clusterIps.keys()) sink('cluster-ips', address, '');
}

export interface ExpectedStructure {
  readonly chains: ReadonlyMap<string, ChainSpec>;
  readonly sets: ReadonlyMap<string, OwnSet>;
  readonly treatments: readonly OwnTreatment[];
}

export function expectedStructure(
  layout: Layout,
  settings: ModeSettings,
  policy: Policy,
  structure: Structure,
  programmed: Iterable<Programmed>,
): ExpectedStructure {
  const chains = new Map<string, ChainSpec>();
  const sets = new Map<string, OwnSet>();
  const known = structure.knownChains();
  const treatments = known.treatments;
  for (const chain of known.chains) chains.set(chain.name, chain);
  for (const chain of staticChains(layout, settings)) chains.set(chain.name, chain);
  for (const one of programmed) {
    const own = objectsOf(layout, settings, policy, one);
    for (const chain of own.chains) chains.set(chain.name, chain);
    for (const set of own.sets) sets.set(set.set.name, set);
    for (const treatment of own.treatments) treatments.push(treatment);
  }
  return { chains, sets, treatments };
}
