/** Every line of the table, in its order. */
import { families } from '../addresses.ts';
import type { LabOptions } from '../options.ts';
import type { Check } from './check.ts';
import { disruptionChecks } from './disruption.ts';
import { identityChecks } from './identity.ts';
import { reachChecks } from './reach.ts';
import { rollingCheck } from './rolling.ts';
import { serviceChecks } from './services.ts';

/** The checks of a lab; those that need several nodes say so where there is one. */
export function allChecks(options: LabOptions): Check[] {
  const single = options.nodes === 1 ? 'there is one node only' : undefined;
  return [
    ...families(options.ipv).flatMap((family) => [
      ...reachChecks(family, single),
      ...identityChecks(family, single),
      ...(options.services ? serviceChecks(family, single) : []),
    ]),
    ...(options.services ? [rollingCheck(options.ipv)] : []),
    ...disruptionChecks(options.ipv, single),
  ];
}

/** Which lines of the table to run. */
export interface CheckRequest {
  /** These ids, or all of a name before the slash; undefined: all. */
  readonly only?: readonly string[] | undefined;
  /** Leaves out those that kill something. */
  readonly quick?: boolean;
}

/**
 * The checks that are asked for.
 *
 * @throws Error naming the ones that do not exist
 */
export function selectChecks(checks: readonly Check[], { only, quick }: CheckRequest): Check[] {
  const matches = (check: Check, id: string): boolean => check.id === id || check.id.split('/')[0] === id;
  const unknown = (only ?? []).filter((id) => !checks.some((check) => matches(check, id)));
  if (unknown.length > 0) {
    throw new Error(
      `no check ${unknown.join(', ')}; there are ${checks.map((check) => check.id).join(', ')}`,
    );
  }
  return checks
    .filter((check) => only === undefined || only.some((id) => matches(check, id)))
    .filter((check) => quick !== true || check.disruptive !== true);
}
