/** static's keys. Pure. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { contains, parseCidr } from '../../../shared/ip/cidr.ts';
import type { Ip } from '../../../shared/ip/ip.ts';
import { parseIp } from '../../../shared/ip/ip.ts';
import type { CniArgs } from '../../protocol/args.ts';
import { argValue, requireKnownArgs } from '../../protocol/args.ts';
import { decodingFailure, incompatibleVersion, invalidConfig } from '../../protocol/error.ts';
import { readArray, readObject, readString, requireString } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import type { Dns, Route } from '../../protocol/result.ts';
import { decodeResult } from '../../protocol/result-decode.ts';
import { currentVersion, isAtLeast } from '../../protocol/version.ts';

/** An address that a pod gets. */
export interface StaticAddress {
  readonly address: Cidr;
  readonly gateway?: Ip;
}

export interface StaticConfig {
  readonly addresses: readonly StaticAddress[];
  readonly routes: readonly Route[];
  readonly dns: Dns;
}

/** Keys of CNI_ARGS that are known here; MAC is the interface's, and the runtime gives both plugins the same text. */
const knownArgs = ['IP', 'GATEWAY', 'MAC'];

/**
 * Reads and checks the section. Addresses: `ipam.addresses` with those of CNI_ARGS IP behind them, or in their place
 * `args.cni.ips`, or in the place of all `runtimeConfig.ips`. Throws code 6 for wrong types, 7 for what makes no sense.
 */
export function readStaticConfig(conf: NetConf, args: CniArgs): StaticConfig {
  const raw = conf.ipam?.raw;
  if (!raw)
    throw invalidConfig('the configuration has no "ipam" section: static needs one with its addresses');
  requireKnownArgs(args, knownArgs);
  const given = readList(conf.runtimeConfig['ips'], 'runtimeConfig.ips');
  const asked = readList(readObject(conf.args['cni'], 'args.cni')?.['ips'], 'args.cni.ips');
  const configured = withArgs(readAddresses(raw['addresses']), args);
  const addresses = given.length > 0 ? given : asked.length > 0 ? asked : configured;
  if (!isAtLeast(conf.cniVersion, '0.3.0')) requireOneOfEachFamily(addresses, conf.cniVersion);
  const { routes, dns } = decodeResult(
    { cniVersion: currentVersion, routes: raw['routes'] ?? undefined, dns: raw['dns'] ?? undefined },
    { path: 'ipam' },
  );
  return { addresses, routes, dns };
}

function readAddresses(value: unknown): StaticAddress[] {
  const addresses: StaticAddress[] = [];
  for (const entry of readArray(value, 'ipam.addresses') ?? []) {
    const at = `ipam.addresses[${addresses.length}]`;
    const raw = readObject(entry, at);
    if (raw === undefined) throw decodingFailure(`${at} must be an object, got null`);
    const address = requireCidr(requireString(raw['address'], `${at}.address`), `${at}.address`);
    const gateway = readString(raw['gateway'], `${at}.gateway`);
    addresses.push(gateway ? { address, gateway: requireIp(gateway, `${at}.gateway`) } : { address });
  }
  return addresses;
}

function readList(value: unknown, path: string): StaticAddress[] {
  const addresses: StaticAddress[] = [];
  for (const entry of readArray(value, path) ?? []) {
    const at = `${path}[${addresses.length}]`;
    addresses.push({ address: requireCidr(requireString(entry, at), at) });
  }
  return addresses;
}

/** CNI_ARGS: addresses and gateways separated by commas; a gateway is that of each address whose subnet it is in. */
function withArgs(configured: readonly StaticAddress[], args: CniArgs): StaticAddress[] {
  const addresses = [...configured];
  for (const text of listOf(args, 'IP')) addresses.push({ address: requireCidr(text, 'CNI_ARGS IP') });
  for (const text of listOf(args, 'GATEWAY')) {
    const gateway = requireIp(text, 'CNI_ARGS GATEWAY');
    for (let index = 0; index < addresses.length; index++) {
      const one = addresses[index];
      if (one && contains(one.address, gateway)) addresses[index] = { ...one, gateway };
    }
  }
  return addresses;
}

function listOf(args: CniArgs, key: string): string[] {
  const list: string[] = [];
  for (const text of (argValue(args, key) ?? '').split(',')) if (text.trim() !== '') list.push(text.trim());
  return list;
}

function requireCidr(text: string, path: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr) return cidr;
  throw invalidConfig(
    `${path}: ${JSON.stringify(text)} is no address with a prefix length, such as 10.1.2.3/24`,
  );
}

function requireIp(text: string, path: string): Ip {
  const ip = parseIp(text);
  if (ip) return ip;
  throw invalidConfig(`${path}: ${JSON.stringify(text)} is no IP address`);
}

function requireOneOfEachFamily(addresses: readonly StaticAddress[], version: string): void {
  for (const family of [4, 6] as const) {
    let count = 0;
    for (const { address } of addresses) if (address.ip.family === family) count++;
    if (count <= 1) continue;
    throw incompatibleVersion(
      `CNI ${version} has room for one IPv${family} address, but ${count} are configured`,
      {
        details: 'set cniVersion to 0.3.0 or later in the conflist',
      },
    );
  }
}
