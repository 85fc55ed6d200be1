/**
 * What type underpod does not do, or would do if it were written elsewhere: a pod must fail rather than run without what
 * it was configured to have or asks for. Pure.
 */

import { unsupportedField } from '../../protocol/error.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import { asksForNothing, parts } from './parts.ts';

/**
 * Keys that upstream's other plugins of a chain have, by the plugin. They could have been meant for this one: those of a
 * part (parts.ts) belong into its section.
 */
const foreignKeys: Readonly<Record<string, readonly string[]>> = {
  bandwidth: ['ingressRate', 'ingressBurst', 'egressRate', 'egressBurst', 'shapedSubnets', 'unshapedSubnets'],
  portmap: ['snat', 'masqAll', 'markMasqBit', 'externalSetMarkChain', 'conditionsV4', 'conditionsV6'],
  tuning: ['sysctl', 'promisc', 'txQLen', 'allmulti'],
  firewall: ['backend', 'ingressPolicy', 'firewalldZone', 'iptablesAdminChainName'],
  sbr: ['table', 'addSourceHints', 'gateways'],
  vrf: ['vrfname'],
};

/**
 * Keys of runtimeConfig that are done, or that runtimes hand out for plugins to know and not for them to do.
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
      const advice = isPart(plugin)
        ? `write it in the section "${plugin}"`
        : `it is a key of the ${plugin} plugin: chain that one behind, with the key there`;
      throw unsupportedField(key, raw[key], advice);
    }
  }
  if (asksForNothing(raw['mac'])) return;
  throw unsupportedField('mac', raw['mac'], 'give a pod its own by runtimeConfig.mac or CNI_ARGS MAC');
}

/**
 * Refuses what a pod asks for.
 *
 * @throws CniError code 2 for capabilities that are not known
 */
export function refuseUnsupportedRuntimeConfig({ runtimeConfig }: NetConf): void {
  for (const key in runtimeConfig) {
    if (knownCapabilities.includes(key) || asksForNothing(runtimeConfig[key])) continue;
    const advice = `take ${key} out of this plugin’s capabilities, or chain a plugin that does it`;
    throw unsupportedField(`runtimeConfig.${key}`, runtimeConfig[key], advice);
  }
}

function isPart(plugin: string): boolean {
  return (parts as readonly string[]).includes(plugin);
}
