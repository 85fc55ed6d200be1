/** subnet.env: what the network agent (or flanneld) tells the plugins of this node. Pure. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { includesCidr, networkOf, parseCidr } from '../../../shared/ip/cidr.ts';
import { parseDecimal } from '../../../shared/ip/ip.ts';
import { invalidConfig } from '../../protocol/error.ts';

export interface SubnetEnv {
  /** FLANNEL_NETWORK and FLANNEL_IPV6_NETWORK: all pods of the cluster. Each may be a list with commas. */
  readonly networks: readonly Cidr[];
  /** FLANNEL_SUBNET: this node's pods, as a network. */
  readonly subnet: Cidr | undefined;
  /** FLANNEL_IPV6_SUBNET. */
  readonly subnetV6: Cidr | undefined;
  /** FLANNEL_MTU: bytes. */
  readonly mtu: number;
  /** FLANNEL_IPMASQ: the agent masquerades what leaves the cluster. */
  readonly ipMasq: boolean;
}

/** Reads the file's content; `path` names it in messages. Throws code 7 for a missing key or bad value. */
export function parseSubnetEnv(text: string, path: string): SubnetEnv {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) values.set(...splitLine(line));
  const read = (key: string): string | undefined => values.get(key);
  const networks = [
    ...readNetworks(read('FLANNEL_NETWORK'), 'FLANNEL_NETWORK', path),
    ...readNetworks(read('FLANNEL_IPV6_NETWORK'), 'FLANNEL_IPV6_NETWORK', path),
  ];
  const subnet = readNetwork(read('FLANNEL_SUBNET'), 'FLANNEL_SUBNET', path, 4);
  const subnetV6 = readNetwork(read('FLANNEL_IPV6_SUBNET'), 'FLANNEL_IPV6_SUBNET', path, 6);
  const mtu = read('FLANNEL_MTU');
  const ipMasq = read('FLANNEL_IPMASQ');
  const missing = [
    ...(networks.length === 0 ? ['FLANNEL_NETWORK or FLANNEL_IPV6_NETWORK'] : []),
    ...((subnet ?? subnetV6) ? [] : ['FLANNEL_SUBNET or FLANNEL_IPV6_SUBNET']),
    ...(mtu === undefined ? ['FLANNEL_MTU'] : []),
    ...(ipMasq === undefined ? ['FLANNEL_IPMASQ'] : []),
  ];
  if (missing.length > 0) {
    throw invalidConfig(`${path} lacks ${missing.join(', ')}: restart the network agent, which writes it`);
  }
  return { networks, subnet, subnetV6, mtu: readMtu(mtu ?? '', path), ipMasq: ipMasq === 'true' };
}

function splitLine(line: string): [key: string, value: string] {
  const equals = line.indexOf('=');
  return equals < 0 ? [line.trim(), ''] : [line.slice(0, equals).trim(), line.slice(equals + 1).trim()];
}

function readNetworks(value: string | undefined, key: string, path: string): Cidr[] {
  if (!value) return [];
  const networks: Cidr[] = [];
  for (const text of value.split(',')) {
    const cidr = readNetwork(text.trim(), key, path);
    if (cidr && !includesCidr(networks, cidr)) networks.push(cidr);
  }
  return networks;
}

function readNetwork(value: string | undefined, key: string, path: string, family?: 4 | 6): Cidr | undefined {
  if (!value) return undefined;
  const cidr = parseCidr(value);
  if (cidr && (family ?? cidr.ip.family) === cidr.ip.family) return networkOf(cidr);
  throw invalidConfig(
    `${path}: ${key}=${value} is no ${family === undefined ? '' : `IPv${family} `}network: restart the network agent, which writes the file`,
  );
}

function readMtu(value: string, path: string): number {
  const mtu = parseDecimal(value, 9);
  if (mtu !== undefined) return mtu;
  throw invalidConfig(
    `${path}: FLANNEL_MTU=${value} is no number: restart the network agent, which writes the file`,
  );
}
