/** All types with their cases. Pure. */

import type { Json } from '../cni/fresh-node.ts';
import type { Case, TypeCases } from './case.ts';
import { chainedTypes } from './cases/chained.ts';
import { ipamTypes } from './cases/ipam.ts';
import { mainTypes } from './cases/main.ts';

export const allTypes: readonly TypeCases[] = [...mainTypes, ...ipamTypes, ...chainedTypes];

/** The first case of a type that is to succeed; undefined if there is none. */
export function goodCase(type: string): Case | undefined {
  const cases = allTypes.find((one) => one.type === type)?.cases ?? [];
  return cases.find(({ name }) => !name.startsWith('error: '));
}

/** What a runtime is configured with for a case, and what it offers. */
export interface CaseNetwork {
  readonly conflist: Json;
  readonly offers: Json;
}

/** A case as a list of plugins: what it says of the runtime becomes capabilities, a type for addresses gets a bridge. */
export function networkOf(type: string, one: Case, cniVersion: string): CaseNetwork {
  const { runtimeConfig = {}, ...keys } = one.config as Json & { runtimeConfig?: Json };
  const isIpam = ipamTypes.some((known) => known.type === type);
  const plugin: Json = isIpam ? { type: 'bridge', bridge: 'br0', ...keys } : { type, ...keys };
  const names = Object.keys(runtimeConfig);
  if (names.length > 0) plugin['capabilities'] = Object.fromEntries(names.map((name) => [name, true]));
  const plugins = one.base ? [one.base, plugin] : [plugin];
  return { conflist: { cniVersion, name: 'net', plugins }, offers: runtimeConfig };
}
