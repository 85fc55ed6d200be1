/** bridge's keys. Pure. */

import type { CniArgs } from '../../protocol/args.ts';
import { requireKnownArgs } from '../../protocol/args.ts';
import { invalidConfig } from '../../protocol/error.ts';
import { readBoolean, readInteger, readString } from '../../protocol/json.ts';
import { ifnameProblem } from '../../protocol/names.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import type { Dns } from '../../protocol/result.ts';
import { readMac } from '../common/mac.ts';
import { readIpMasq, readVethDns, readVethMtu, refuseOtherMasquerade } from '../common/veth-config.ts';
import { maxVlan, readVlanTrunk } from './vlan-trunk.ts';

/** What the bridge plugin is to do. Keys are described at the plugin (plugin.ts). */
export interface BridgeConfig {
  readonly bridge: string;
  readonly isGateway: boolean;
  readonly isDefaultGateway: boolean;
  readonly forceAddress: boolean;
  readonly ipMasq: boolean;
  /** Bytes; 0 leaves it to the kernel. */
  readonly mtu: number;
  readonly hairpinMode: boolean;
  readonly promiscMode: boolean;
  readonly portIsolation: boolean;
  readonly disableContainerInterface: boolean;
  readonly enableDad: boolean;
  /** The VLAN that the port's untagged frames belong to; 0 for none. */
  readonly vlan: number;
  /** VLANs that the port carries with their tags, in ascending order, each once. */
  readonly vlanTrunk: readonly number[];
  /** The port also stays in the VLAN that the bridge gives new ports. */
  readonly preserveDefaultVlan: boolean;
  /** Frames of the container with another source address than its interface's are dropped. */
  readonly macSpoofCheck: boolean;
  /** The container interface's MAC; undefined: the kernel chooses one. */
  readonly mac: Uint8Array | undefined;
  /** Takes the place of what IPAM says, where it says anything. */
  readonly dns: Dns | undefined;
  /** The IPAM plugin's type; '' for an interface without addresses. */
  readonly ipamType: string;
}

export const defaultBridge = 'cni0';

/** Keys of CNI_ARGS that are known here; IP is the IPAM plugin's, and the runtime gives both the same text. */
const knownArgs = ['MAC', 'IP'];

/** Reads and checks all keys. Throws code 6 for wrong types, 7 for what makes no sense, 2 for what is not built. */
export function readBridgeConfig(conf: NetConf, args: CniArgs): BridgeConfig {
  refuseOtherMasquerade(conf);
  requireKnownArgs(args, knownArgs);
  const flag = (key: string): boolean => readBoolean(conf.raw[key], key) ?? false;
  const isDefaultGateway = flag('isDefaultGateway');
  const config: BridgeConfig = {
    bridge: readBridgeName(conf),
    isGateway: flag('isGateway') || isDefaultGateway,
    isDefaultGateway,
    forceAddress: flag('forceAddress'),
    ipMasq: readIpMasq(conf),
    mtu: readVethMtu(conf),
    hairpinMode: flag('hairpinMode'),
    promiscMode: flag('promiscMode'),
    portIsolation: flag('portIsolation'),
    disableContainerInterface: flag('disableContainerInterface'),
    enableDad: flag('enabledad'),
    vlan: readVlan(conf),
    vlanTrunk: readVlanTrunk(conf.raw['vlanTrunk']),
    preserveDefaultVlan: flag('preserveDefaultVlan'),
    macSpoofCheck: readMacSpoofCheck(conf),
    mac: readMac(conf, args),
    dns: readVethDns(conf),
    ipamType: conf.ipam?.type ?? '',
  };
  if (config.hairpinMode && config.promiscMode) {
    throw invalidConfig('hairpinMode and promiscMode exclude each other: set one of them to false');
  }
  if (config.disableContainerInterface && config.ipamType !== '') {
    throw invalidConfig(
      'an interface that disableContainerInterface leaves down takes no addresses: remove "ipam"',
    );
  }
  const gateway = gatewayLinkName(config);
  if (config.isGateway && config.ipamType !== '' && ifnameProblem(gateway)) {
    throw invalidConfig(
      `the gateway's interface ${gateway} ${ifnameProblem(gateway)}: give "bridge" a shorter name`,
    );
  }
  return config;
}

/** Whose the gateways' addresses are: the bridge's, or in a VLAN those of an interface beside it. */
export function gatewayLinkName({ bridge, vlan }: Pick<BridgeConfig, 'bridge' | 'vlan'>): string {
  return vlan === 0 ? bridge : `${bridge}.${vlan}`;
}

/** True where the bridge must tell VLANs apart. */
export function hasVlans({ vlan, vlanTrunk }: Pick<BridgeConfig, 'vlan' | 'vlanTrunk'>): boolean {
  return vlan !== 0 || vlanTrunk.length > 0;
}

/** The bridge's name. */
export function readBridgeName(conf: NetConf): string {
  const name = readString(conf.raw['bridge'], 'bridge') ?? defaultBridge;
  const problem = ifnameProblem(name);
  if (problem) throw invalidConfig(`bridge ${JSON.stringify(name)} ${problem}`);
  return name;
}

/** What DEL and GC need besides the bridge's name; the rest of the configuration may be wrong by then. */
export function readMacSpoofCheck(conf: NetConf): boolean {
  return readBoolean(conf.raw['macspoofchk'], 'macspoofchk') ?? false;
}

function readVlan(conf: NetConf): number {
  const vlan = readInteger(conf.raw['vlan'], 'vlan') ?? 0;
  // 4095 is reserved (IEEE 802.1Q, table 9-2).
  if (vlan >= 0 && vlan <= maxVlan) return vlan;
  throw invalidConfig(`vlan ${vlan} must lie between 0 (none) and ${maxVlan}`);
}
