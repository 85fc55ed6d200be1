/** What becomes of the shared maps when some service ports change together. Pure. */

import type { ServicePortName } from '../model/service-port.ts';
import { Changes } from './changes.ts';
import { difference } from './content.ts';
import type { Shared } from './expected.ts';
import type { SharedName } from './layout.ts';
import { clusterIpsOf, hairpinsOf, type Policy, type Programmed } from './programmed.ts';

/** A service port before and after. */
export interface Step {
  readonly name: ServicePortName;
  readonly before: Programmed | undefined;
  readonly after: Programmed | undefined;
}

/** All removals before any addition: an address may go from one port to another. Counts in `shared` what they share. */
export function gatherChanges(steps: readonly Step[], policy: Policy, shared: Shared): Changes {
  const { clusterIps, hairpins } = shared;
  const changes = new Changes();
  const added: (readonly [SharedName, string, string])[] = [];
  for (const { before, after } of steps) {
    difference(
      before,
      after,
      policy,
      (map, key, old) => changes.remove(map, key, old),
      (map, key, now) => added.push([map, key, now]),
    );
    if (before === undefined || before.port === after?.port) continue;
    for (const address of clusterIpsOf(before.port)) {
      if (clusterIps.remove(address)) changes.remove('cluster-ips', address, '');
    }
    for (const address of hairpinsOf(before.port)) {
      if (hairpins.remove(address)) changes.remove('hairpin', address + address, '');
    }
  }
  for (const [map, key, now] of added) changes.add(map, key, now);
  for (const { before, after } of steps) {
    if (after === undefined || before?.port === after.port) continue;
    for (const address of clusterIpsOf(after.port)) {
      if (clusterIps.add(address)) changes.add('cluster-ips', address, '');
    }
    for (const address of hairpinsOf(after.port)) {
      if (hairpins.add(address)) changes.add('hairpin', address + address, '');
    }
  }
  return changes;
}
