/** tuning's keys. Pure. */

import type { CniArgs } from '../../protocol/args.ts';
import { argValue, requireKnownArgs } from '../../protocol/args.ts';
import { decodingFailure, invalidConfig } from '../../protocol/error.ts';
import type { JsonObject } from '../../protocol/json.ts';
import { readBoolean, readObject, readString, readUint, requireString } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import { requireMac } from '../common/mac.ts';
import { isCount, type Settings } from './settings.ts';

/** A kernel parameter to set in the pod's namespace. */
export interface Sysctl {
  /** As it is written in the configuration. */
  readonly key: string;
  /** Below /proc/sys, with `IFNAME` still in it: `net/ipv4/conf/IFNAME/arp_filter`. */
  readonly path: string;
  readonly value: string;
}

/** What tuning is to do. Keys are described at the plugin (plugin.ts). */
export interface TuningConfig {
  readonly sysctls: readonly Sysctl[];
  /** What the interface is to have; `promisc` is true or absent. */
  readonly settings: Settings;
  /** Without a slash at its end. */
  readonly dataDir: string;
}

/** What stands for the interface's name in the name of a parameter. */
const placeholder = 'IFNAME';

const defaultDataDir = '/run/cni/tuning';

/** Of CNI_ARGS. */
const knownArgs = ['MAC'];

/** Reads and checks all keys. Throws code 4 for unknown CNI_ARGS, 6 for wrong types, 7 for what makes no sense. */
export function readTuningConfig(conf: NetConf, args: CniArgs): TuningConfig {
  requireKnownArgs(args, knownArgs);
  const cni = readObject(conf.args['cni'], 'args.cni') ?? {};
  return {
    sysctls: readSysctls(conf.raw, cni),
    settings: readSettings(conf, cni, args),
    dataDir: readDataDir(conf),
  };
}

/** Where files are kept that say what interfaces were before: all that DEL and GC need. */
export function readDataDir({ raw }: NetConf): string {
  let dataDir = readString(raw['dataDir'], 'dataDir') || defaultDataDir;
  while (dataDir.length > 1 && dataDir.endsWith('/')) dataDir = dataDir.slice(0, -1);
  return dataDir;
}

/** As `readDataDir`, for operations that have to work whatever else the configuration says by now. */
export function readDataDirLeniently(conf: NetConf): string {
  return typeof conf.raw['dataDir'] === 'string' ? readDataDir(conf) : defaultDataDir;
}

/** The parameter's place below /proc/sys. The name may hold dots, as those of VLANs do. */
export function sysctlOf({ path }: Sysctl, ifname: string): string {
  const at = path.indexOf(placeholder);
  return at < 0 ? path : path.slice(0, at) + ifname + path.slice(at + placeholder.length);
}

/** Those of `args.cni` win, however the names are written. */
function readSysctls(raw: JsonObject, cni: JsonObject): readonly Sysctl[] {
  const own = sysctlsAt(raw['sysctl'], 'sysctl');
  const asked = sysctlsAt(cni['sysctl'], 'args.cni.sysctl');
  for (const [path, sysctl] of asked) own.set(path, sysctl);
  const all: Sysctl[] = [];
  for (const sysctl of own.values()) all.push(sysctl);
  return all;
}

function sysctlsAt(value: unknown, at: string): Map<string, Sysctl> {
  const found = new Map<string, Sysctl>();
  const entries = readObject(value, at) ?? {};
  for (const key in entries) {
    const path = sysctlPath(key, at);
    const other = found.get(path)?.key;
    if (other !== undefined) {
      throw invalidConfig(
        `${at} has ${shown(other)} and ${shown(key)}, which are the same: remove one of them`,
      );
    }
    found.set(path, { key, path, value: requireString(entries[key], `${at}[${shown(key)}]`) });
  }
  return found;
}

/**
 * Below /proc/sys: dots and slashes both part the name, as upstream has it, so that no name leads up and out. Those of
 * the network are of the pod's namespace, all others of the whole node.
 */
function sysctlPath(key: string, at: string): string {
  let path = '';
  for (const part of key.replaceAll('.', '/').split('/')) {
    if (part !== '') path += path === '' ? part : `/${part}`;
  }
  if (!path.startsWith('net/') || path.includes('\0')) {
    throw invalidConfig(
      `${at} ${shown(key)} is no parameter of the network: its name must begin with "net."`,
    );
  }
  return path;
}

function shown(key: string): string {
  return JSON.stringify(key.length > 100 ? `${key.slice(0, 100)}…` : key);
}

function readSettings({ raw, runtimeConfig }: NetConf, cni: JsonObject, args: CniArgs): Settings {
  // Each type is looked at, whichever of them counts in the end.
  const promisc = [readBoolean(raw['promisc'], 'promisc'), readBoolean(cni['promisc'], 'args.cni.promisc')];
  const allmulti = [
    readBoolean(raw['allmulti'], 'allmulti'),
    readBoolean(cni['allmulti'], 'args.cni.allmulti'),
  ];
  const mtu = [readCount(raw['mtu'], 'mtu'), readCount(cni['mtu'], 'args.cni.mtu')];
  const txQLen = [readCount(raw['txQLen'], 'txQLen'), readCount(cni['txQLen'], 'args.cni.txQLen')];
  const mac = readWantedMac(raw, cni, runtimeConfig, args);
  const multicast = allmulti[1] ?? allmulti[0];
  const bytes = mtu[1] ?? mtu[0];
  const packets = txQLen[1] ?? txQLen[0];
  return {
    ...(mac && { mac }),
    // Off is no wish: as with upstream's, such a configuration leaves the interface alone.
    ...((promisc[1] ?? promisc[0]) === true && { promisc: true }),
    ...(bytes && { mtu: bytes }),
    ...(multicast !== undefined && { allmulti: multicast }),
    ...(packets !== undefined && { txQLen: packets }),
  };
}

/** args.cni wins, even by an empty text; then runtimeConfig, CNI_ARGS, and last the plugin's own key. */
function readWantedMac(
  raw: JsonObject,
  cni: JsonObject,
  runtimeConfig: JsonObject,
  args: CniArgs,
): Uint8Array | undefined {
  const own = readString(raw['mac'], 'mac');
  const offered = readString(runtimeConfig['mac'], 'runtimeConfig.mac');
  const asked = readString(cni['mac'], 'args.cni.mac');
  const text = asked ?? (offered || argValue(args, 'MAC') || own);
  return text ? requireMac(text) : undefined;
}

function readCount(value: unknown, path: string): number | undefined {
  const count = readUint(value, path);
  if (count === undefined || isCount(count)) return count;
  throw decodingFailure(`${path} ${count} is more than the kernel can count`);
}
