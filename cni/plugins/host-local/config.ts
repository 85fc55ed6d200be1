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
    routes: readRoutes(raw),
    resolvConf: readString(raw['resolvConf'], 'ipam.resolvConf') || undefined,
    requested: readRequested(conf, args),
  };
}

/** The network's directory. All that DEL and GC need: a broken range must not keep an address from its release. */
export function readDirectory(conf: NetConf): string {
  let dataDir = readString(conf.ipam?.raw['dataDir'], 'ipam.dataDir') || defaultDataDir;
  while (dataDir.endsWith('/')) dataDir = dataDir.slice(0, -1);
  return `${dataDir}/${conf.name}`;
}

function readRoutes(raw: JsonObject): readonly Route[] {
  const { routes } = raw;
  if (routes === undefined) return [];
  return decodeResult({ cniVersion: currentVersion, routes }, { path: 'ipam' }).routes;
}

function requireIpam(conf: NetConf): JsonObject {
  if (conf.ipam) return conf.ipam.raw;
  throw invalidConfig('the configuration has no "ipam" section: host-local needs one with its ranges');
}

function readRangeSets(conf: NetConf, raw: JsonObject): readonly RangeSet[] {
  const sets: RangeSet[] = [];
  readSets(conf.runtimeConfig['ipRanges'], 'runtimeConfig.ipRanges', sets);
  // The old way to write one range: its keys in the section itself.
  if (readString(raw['subnet'], 'ipam.subnet')) sets.push([readRange(raw, 'ipam')]);
  readSets(raw['ranges'], 'ipam.ranges', sets);
  if (sets.length === 0) {
    throw invalidConfig('no address ranges are configured: set ipam.subnet or ipam.ranges');
  }
  if (sets.length > 1) refuseOverlaps(sets);
  if (!isAtLeast(conf.cniVersion, '0.3.0')) requireOneOfEachFamily(sets, conf.cniVersion);
  return sets;
}

function refuseOverlaps(sets: readonly RangeSet[]): void {
  for (const [index, set] of sets.entries()) {
    const other = sets.findIndex(
      (later, at) => at > index && set.some((a) => later.some((b) => rangesOverlap(a, b))),
    );
    if (other >= 0) throw invalidConfig(`range sets ${index} and ${other} overlap: make them disjoint`);
  }
}

function readSets(value: unknown, path: string, sets: RangeSet[]): void {
  let index = 0;
  for (const entry of readArray(value, path) ?? []) sets.push(readSet(entry, `${path}[${index++}]`));
}

function readSet(value: unknown, path: string): RangeSet {
  const ranges: Range[] = [];
  for (const entry of readArray(value, path) ?? []) {
    const at = `${path}[${ranges.length}]`;
    const raw = readObject(entry, at);
    if (raw === undefined) throw decodingFailure(`${at} must be an object, got null`);
    ranges.push(readRange(raw, at));
  }
  const [first, ...rest] = ranges;
  if (first === undefined) throw invalidConfig(`${path} is empty: it must hold at least one range`);
  if (rest.length > 0) checkSet(ranges, first, path);
  return [first, ...rest];
}

function checkSet(ranges: readonly Range[], first: Range, path: string): void {
  for (const [index, range] of ranges.entries()) {
    if (range.start.family !== first.start.family) {
      throw invalidConfig(`${path} mixes IPv4 and IPv6: put them into sets of their own`);
    }
    const other = ranges.findIndex((later, at) => at > index && rangesOverlap(range, later));
    if (other >= 0) throw invalidConfig(`${path}: ranges ${index} and ${other} overlap: make them disjoint`);
  }
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
  const ips: Ip[] = [];
  const fromArgs = argValue(args, 'IP');
  if (fromArgs) ips.push(readRequestedIp(fromArgs, 'CNI_ARGS IP'));
  const cni = readObject(conf.args['cni'], 'args.cni') ?? {};
  readRequestedIps(cni['ips'], 'args.cni.ips', ips);
  readRequestedIps(conf.runtimeConfig['ips'], 'runtimeConfig.ips', ips);
  return ips;
}

function readRequestedIps(value: unknown, path: string, ips: Ip[]): void {
  let index = 0;
  for (const entry of readArray(value, path) ?? []) {
    const at = `${path}[${index++}]`;
    ips.push(readRequestedIp(readString(entry, at) ?? '', at));
  }
}

/** An address, with or without a prefix length, which says nothing: the range knows its own. */
function readRequestedIp(text: string, path: string): Ip {
  const ip = text.includes('/') ? parseCidr(text)?.ip : parseIp(text);
  if (ip) return ip;
  throw invalidConfig(`${path}: ${JSON.stringify(text)} is no IP address`);
}
