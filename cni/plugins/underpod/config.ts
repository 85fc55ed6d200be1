/** The keys of type underpod. Pure. */

import { invalidConfig } from '../../protocol/error.ts';
import type { JsonObject } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import { parts } from './parts.ts';

/** Keys of the configuration that are not the bridge's. */
const ownKeys: readonly string[] = [
  'type',
  'ipam',
  'subnetFile',
  'dataDir',
  'capabilities',
  'prevResult',
  ...parts,
];

/**
 * The keys for the bridge, which stand at top level.
 *
 * @throws CniError code 7 for flannel's "delegate", whose keys belong there
 */
export function bridgeKeys(conf: NetConf): JsonObject {
  if (conf.raw['delegate'] !== undefined) {
    throw invalidConfig('type underpod has no "delegate": write its keys (hairpinMode, …) beside "type"');
  }
  const keys: Record<string, unknown> = {};
  for (const key in conf.raw) {
    // Assigning to __proto__ would make no key.
    if (ownKeys.includes(key) || key.startsWith('cni.dev/') || key === '__proto__') continue;
    keys[key] = conf.raw[key];
  }
  return keys;
}
