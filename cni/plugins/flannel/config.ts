/** flannel's keys, and the delegate's configuration that comes of them and subnet.env. Pure. */

import { formatCidr } from '../../../shared/ip/cidr.ts';
import { invalidConfig } from '../../protocol/error.ts';
import type { JsonObject } from '../../protocol/json.ts';
import { readArray, readObject, readString } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import { decodeResult } from '../../protocol/result-decode.ts';
import { currentVersion } from '../../protocol/version.ts';
import type { SubnetEnv } from './subnet-env.ts';

/** What the flannel plugin is to do. Keys are described at the plugin (plugin.ts). */
export interface FlannelConfig {
  readonly subnetFile: string;
  readonly dataDir: string;
  /** The delegate's own keys as configured. */
  readonly delegate: JsonObject;
  /** `ipam` as configured: merged into the delegate's. */
  readonly ipam: JsonObject;
}

const defaultSubnetFile = '/run/flannel/subnet.env';
const defaultDataDir = '/var/lib/cni/flannel';

/** Reads and checks the keys. Throws code 6 for wrong types, 7 for a delegate that sets what is not its own. */
export function readFlannelConfig(conf: NetConf): FlannelConfig {
  const delegate = readObject(conf.raw['delegate'], 'delegate') ?? {};
  readString(delegate['type'], 'delegate.type');
  for (const key of ['name', 'ipam']) {
    if (key in delegate) {
      throw invalidConfig(`"delegate" must not have the key "${key}": set it beside "delegate" instead`);
    }
  }
  return { ...readPlaces(conf), delegate, ipam: conf.ipam?.raw ?? {} };
}

/** Where subnet.env and the rendered configurations are: all that DEL and GC need. */
export function readPlaces(conf: NetConf): { readonly subnetFile: string; readonly dataDir: string } {
  let dataDir = readString(conf.raw['dataDir'], 'dataDir') || defaultDataDir;
  while (dataDir.length > 1 && dataDir.endsWith('/')) dataDir = dataDir.slice(0, -1);
  return {
    subnetFile: readString(conf.raw['subnetFile'], 'subnetFile') || defaultSubnetFile,
    dataDir,
  };
}

/** The delegate's type: bridge unless it says another. */
export function delegateType(delegate: JsonObject): string {
  return readString(delegate['type'], 'delegate.type') || 'bridge';
}

/**
 * The configuration that the delegate gets, and DEL later reads from the disk. Keys that the delegate has win over
 * what subnet.env says.
 *
 * @param network name, cniVersion and runtimeConfig of the flannel configuration
 */
export function renderDelegate(
  network: Pick<NetConf, 'name' | 'raw'>,
  config: Pick<FlannelConfig, 'delegate' | 'ipam'>,
  env: SubnetEnv,
): JsonObject {
  const { delegate } = config;
  const type = delegateType(delegate);
  const runtimeConfig = readObject(network.raw['runtimeConfig'], 'runtimeConfig');
  const cniVersion = readString(network.raw['cniVersion'], 'cniVersion');
  return {
    // Nobody masquerades twice: the agent does it for the whole cluster, or else the delegate for its pods.
    ipMasq: !env.ipMasq,
    mtu: env.mtu,
    ...(type === 'bridge' ? { isGateway: true } : {}),
    ...delegate,
    type,
    name: network.name,
    ...(cniVersion ? { cniVersion } : {}),
    ...(runtimeConfig ? { runtimeConfig } : {}),
    ipam: renderIpam(config.ipam, env),
  };
}

/** As configured, with the node's subnets as ranges and the cluster's networks as further routes. */
function renderIpam(ipam: JsonObject, env: SubnetEnv): JsonObject {
  const ranges: JsonObject[][] = [];
  for (const subnet of [env.subnet, env.subnetV6]) if (subnet) ranges.push([{ subnet: formatCidr(subnet) }]);
  const routes = [...(readArray(ipam['routes'], 'ipam.routes') ?? [])];
  // Wrong ones are told here, where the key is called as its author wrote it.
  decodeResult({ cniVersion: currentVersion, routes }, { path: 'ipam' });
  for (const network of env.networks) routes.push({ dst: formatCidr(network) });
  return { ...ipam, type: readString(ipam['type'], 'ipam.type') || 'host-local', ranges, routes };
}
