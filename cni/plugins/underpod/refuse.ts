/**
 * What type underpod takes the place of but does not do: a pod must fail rather than run without what it was configured
 * to have or asks for. Pure.
 */

import { unsupportedField } from '../../protocol/error.ts';
import type { JsonObject } from '../../protocol/json.ts';
import { readArray, readObject, readUint } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';

/** Keys that upstream's other plugins of a chain have, by the plugin. They could have been meant for this one. */
const foreignKeys: Readonly<Record<string, readonly string[]>> = {
  bandwidth: ['ingressRate', 'ingressBurst', 'egressRate', 'egressBurst', 'shapedSubnets', 'unshapedSubnets'],
  portmap: ['snat', 'masqAll', 'markMasqBit', 'externalSetMarkChain', 'conditionsV4', 'conditionsV6'],
  tuning: ['sysctl', 'promisc', 'txQLen', 'allmulti'],
  firewall: ['backend', 'ingressPolicy', 'firewalldZone', 'iptablesAdminChainName'],
  sbr: ['table', 'addSourceHints'],
  vrf: ['vrfname'],
};

/**
 * Keys of runtimeConfig that are done (mac, ips, ipRanges), looked at one by one (portMappings, bandwidth), or that
 * runtimes hand out for plugins to know and not for them to do.
 */
const knownCapabilities: readonly string[] = [
  'mac',
  'ips',
  'ipRanges',
  'portMappings',
  'bandwidth',
  'cgroupPath',
  'io.kubernetes.cri.pod-annotations',
];

/** Both of the below. */
export function refuseUnsupported(conf: NetConf): void {
  refuseUnsupportedKeys(conf);
  refuseUnsupportedRuntimeConfig(conf);
}

/**
 * Refuses what the configuration asks for. What is off, empty or 0 asks for nothing.
 *
 * @throws CniError code 2
 */
export function refuseUnsupportedKeys({ raw }: NetConf): void {
  for (const plugin in foreignKeys) {
    for (const key of foreignKeys[plugin] ?? []) {
      if (asksForNothing(raw[key])) continue;
      const advice = `it is a key of the ${plugin} plugin: chain that one behind, with the key there`;
      throw unsupportedField(key, raw[key], advice);
    }
  }
  if (asksForNothing(raw['mac'])) return;
  throw unsupportedField('mac', raw['mac'], 'give a pod its own by runtimeConfig.mac or CNI_ARGS MAC');
}

/**
 * Refuses what a pod asks for.
 *
 * @throws CniError code 2 for port mappings with a host port, bandwidth limits, and capabilities that are not known
 */
export function refuseUnsupportedRuntimeConfig({ runtimeConfig }: NetConf): void {
  const ports: unknown[] = [];
  let index = 0;
  for (const entry of readArray(runtimeConfig['portMappings'], 'runtimeConfig.portMappings') ?? []) {
    const path = `runtimeConfig.portMappings[${index++}].hostPort`;
    if ((readUint(asObject(entry)['hostPort'], path) ?? 0) !== 0) ports.push(entry);
  }
  if (ports.length > 0) {
    throw unsupportedField(
      'runtimeConfig.portMappings',
      ports,
      'host ports are not built yet: remove hostPort from the pod, or chain the portmap plugin and take ' +
        'portMappings out of this plugin’s capabilities',
    );
  }
  const bandwidth = readObject(runtimeConfig['bandwidth'], 'runtimeConfig.bandwidth') ?? {};
  if (!asksForNothing(bandwidth)) {
    throw unsupportedField(
      'runtimeConfig.bandwidth',
      bandwidth,
      'bandwidth limits are not built yet: remove the kubernetes.io/*-bandwidth annotations from the pod, or chain ' +
        'the bandwidth plugin and take bandwidth out of this plugin’s capabilities',
    );
  }
  for (const key in runtimeConfig) {
    if (knownCapabilities.includes(key) || asksForNothing(runtimeConfig[key])) continue;
    const advice = `take ${key} out of this plugin’s capabilities, or chain a plugin that does it`;
    throw unsupportedField(`runtimeConfig.${key}`, runtimeConfig[key], advice);
  }
}

/** Absent, off, 0, or empty all the way down: runtimes write keys of capabilities that nobody uses like that. */
function asksForNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === 0 || value === '') return true;
  if (typeof value !== 'object') return false;
  for (const key in value) if (!asksForNothing((value as JsonObject)[key])) return false;
  return true;
}

function asObject(value: unknown): JsonObject {
  return readObject(value, 'runtimeConfig.portMappings') ?? {};
}
