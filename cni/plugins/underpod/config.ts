/** The keys of type underpod. Pure. */

import { invalidConfig, unsupportedField } from '../../protocol/error.ts';
import type { JsonObject } from '../../protocol/json.ts';
import { readArray, readObject, readUint } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';

/** Keys of the configuration that are not the bridge's. */
const ownKeys = ['type', 'ipam', 'subnetFile', 'dataDir', 'capabilities', 'prevResult'];

/**
 * The keys for the bridge, which stand at top level.
 *
 * @throws CniError code 7 for flannel's "delegate", whose keys belong there
 */
export function bridgeKeys(conf: NetConf): JsonObject {
  if (conf.raw['delegate'] !== undefined) {
    throw invalidConfig('type underpod has no "delegate": write its keys (hairpinMode, …) beside "type"');
  }
  return Object.fromEntries(
    Object.entries(conf.raw).filter(([key]) => !ownKeys.includes(key) && !key.startsWith('cni.dev/')),
  );
}

/**
 * Refuses what a pod asks for and this type does not do yet: it must fail rather than run without.
 *
 * @throws CniError code 2 for port mappings with a host port, and for bandwidth limits
 */
export function refuseUnsupported(conf: NetConf): void {
  const ports = (readArray(conf.runtimeConfig['portMappings'], 'runtimeConfig.portMappings') ?? []).filter(
    (entry, index) =>
      (readUint(asObject(entry)['hostPort'], `runtimeConfig.portMappings[${index}].hostPort`) ?? 0) !== 0,
  );
  if (ports.length > 0) {
    throw unsupportedField(
      'runtimeConfig.portMappings',
      ports,
      'host ports are not built yet: remove hostPort from the pod, or chain the portmap plugin and take ' +
        'portMappings out of this plugin’s capabilities',
    );
  }
  const bandwidth = readObject(conf.runtimeConfig['bandwidth'], 'runtimeConfig.bandwidth') ?? {};
  if (Object.values(bandwidth).some((rate) => rate !== 0 && rate !== null)) {
    throw unsupportedField(
      'runtimeConfig.bandwidth',
      bandwidth,
      'bandwidth limits are not built yet: remove the kubernetes.io/*-bandwidth annotations from the pod, or chain ' +
        'the bandwidth plugin and take bandwidth out of this plugin’s capabilities',
    );
  }
}

function asObject(value: unknown): JsonObject {
  return readObject(value, 'runtimeConfig.portMappings') ?? {};
}
