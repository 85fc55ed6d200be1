/** host-local's keys. Pure. */

import { parseCidr } from '../../../shared/ip/cidr.ts';
import type { Ip } from '../../../shared/ip/ip.ts';
import { parseIp } from '../../../shared/ip/ip.ts';
import type { CniArgs } from '../../protocol/args.ts';
import { argValue, requireKnownArgs } from '../../protocol/args.ts';
import { decodingFailure, incompatibleVersion, invalidConfig } from '../../protocol/error.ts';
import type { JsonObject } from '../../protocol/json.ts';
import { readArray, readObject, readString } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import type { Route } from '../../protocol/result.ts';
import { decodeResult } from '../../protocol/result-decode.ts';
import { currentVersion, isAtLeast } from '../../protocol/version.ts';
import type { Range, RangeSet } from './ranges.ts';
import { familyOf, rangesOverlap, readRange } from './ranges.ts';

/** Where upstream keeps its files; each network has a directory below. */
export const defaultDataDir = '/var/lib/cni/networks';

/** The `ipam` section of type host-local. */
export interface HostLocalConfig {
  /** `<dataDir>/<network>`: the directory of this network's files. */
  readonly directory: string;
  /**
   * One address is given out of each. In this order: `runtimeConfig.ipRanges`, then `subnet` with `rangeStart`,
   * `rangeEnd` and `gateway` of the section itself, then `ranges`.
   */
  readonly rangeSets: readonly RangeSet[];
  /** `routes`: go into the result as they are. */
  readonly routes: readonly Route[];
  /** `resolvConf`: a file to take the DNS section from. */
  readonly resolvConf: string | undefined;
  /** Addresses asked for: CNI_ARGS `IP`, then `args.cni.ips`, then `runtimeConfig.ips`. Each must be free. */
  readonly requested: readonly Ip[];
}

/** Keys of CNI_ARGS that are known here; MAC is bridge's, and the runtime gives both plugins the same text. */
const knownArgs = ['IP', 'MAC'];

/** Reads and checks the whole section, for ADD. Throws code 6 for wrong types, 7 for what makes no sense. */
export function readHostLocalConfig(conf: NetConf, args: CniArgs): HostLocalConfig {
  const raw = requireIpam(conf);
  requireKnownArgs(args, knownArgs);
  const rangeSets = readRangeSets(conf, raw);
  return {
    directory: readDirectory(conf),
    rangeSets,
    routes: decodeResult({ cniVersion: currentVersion, routes: raw['routes'] }, { path: 'ipam' }).routes,
    resolvConf: readString(raw['resolvConf'], 'ipam.resolvConf') || undefined,
    requested: readRequested(conf, args),
  };
}

/** The network's directory. All that DEL and GC need: a broken range must not keep an address from its release. */
export function readDirectory(conf: NetConf): string {
  const dataDir = readString(conf.ipam?.raw['dataDir'], 'ipam.dataDir') || defaultDataDir;
  return `${dataDir.replace(/\/+$/, '')}/${conf.name}`;
}

function requireIpam(conf: NetConf): JsonObject {
  if (conf.ipam) return conf.ipam.raw;
  throw invalidConfig('the configuration has no "ipam" section: host-local needs one with its ranges');
}

function readRangeSets(conf: NetConf, raw: JsonObject): readonly RangeSet[] {
  const sets = [
    ...readSets(conf.runtimeConfig['ipRanges'], 'runtimeConfig.ipRanges'),
    ...readSingle(raw),
    ...readSets(raw['ranges'], 'ipam.ranges'),
  ];
  if (sets.length === 0) {
    throw invalidConfig('no address ranges are configured: set ipam.subnet or ipam.ranges');
  }
  for (const [index, set] of sets.entries()) {
    const other = sets.findIndex(
      (later, at) => at > index && set.some((a) => later.some((b) => rangesOverlap(a, b))),
    );
    if (other >= 0) {
      throw invalidConfig(`range sets ${index} and ${other} overlap: make them disjoint`);
    }
  }
  if (!isAtLeast(conf.cniVersion, '0.3.0')) requireOneOfEachFamily(sets, conf.cniVersion);
  return sets;
}

/** The old way to write one range: its keys in the section itself. */
function readSingle(raw: JsonObject): readonly RangeSet[] {
  return readString(raw['subnet'], 'ipam.subnet') ? [[readRange(raw, 'ipam')]] : [];
}

function readSets(value: unknown, path: string): readonly RangeSet[] {
  return (readArray(value, path) ?? []).map((entry, index) => readSet(entry, `${path}[${index}]`));
}

function readSet(value: unknown, path: string): RangeSet {
  const ranges = (readArray(value, path) ?? []).map((entry, index): Range => {
    const at = `${path}[${index}]`;
    const raw = readObject(entry, at);
    if (raw === undefined) throw decodingFailure(`${at} must be an object, got null`);
    return readRange(raw, at);
  });
  const [first, ...rest] = ranges;
  if (first === undefined) throw invalidConfig(`${path} is empty: it must hold at least one range`);
  for (const [index, range] of ranges.entries()) {
    if (range.start.family !== first.start.family) {
      throw invalidConfig(`${path} mixes IPv4 and IPv6: put them into sets of their own`);
    }
    const other = ranges.findIndex((later, at) => at > index && rangesOverlap(range, later));
    if (other >= 0) throw invalidConfig(`${path}: ranges ${index} and ${other} overlap: make them disjoint`);
  }
  return [first, ...rest];
}

function requireOneOfEachFamily(sets: readonly RangeSet[], version: string): void {
  for (const family of [4, 6] as const) {
    const count = sets.filter((set) => familyOf(set) === family).length;
    if (count <= 1) continue;
    throw incompatibleVersion(
      `CNI ${version} has room for one IPv${family} address, but ${count} range sets give one each`,
      { details: 'set cniVersion to 0.3.0 or later in the conflist' },
    );
  }
}

function readRequested(conf: NetConf, args: CniArgs): readonly Ip[] {
  const fromArgs = argValue(args, 'IP');
  const cni = readObject(conf.args['cni'], 'args.cni') ?? {};
  return [
    ...(fromArgs ? [readRequestedIp(fromArgs, 'CNI_ARGS IP')] : []),
    ...readRequestedIps(cni['ips'], 'args.cni.ips'),
    ...readRequestedIps(conf.runtimeConfig['ips'], 'runtimeConfig.ips'),
  ];
}

function readRequestedIps(value: unknown, path: string): Ip[] {
  return (readArray(value, path) ?? []).map((entry, index) =>
    readRequestedIp(readString(entry, `${path}[${index}]`) ?? '', `${path}[${index}]`),
  );
}

/** An address, with or without a prefix length, which says nothing: the range knows its own. */
function readRequestedIp(text: string, path: string): Ip {
  const ip = text.includes('/') ? parseCidr(text)?.ip : parseIp(text);
  if (ip) return ip;
  throw invalidConfig(`${path}: ${JSON.stringify(text)} is no IP address`);
}
