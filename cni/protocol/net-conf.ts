import type { CniError } from './error.ts';
import { decodingFailure, invalidConfig, isCniError } from './error.ts';
import type { JsonObject } from './json.ts';
import { parseJsonObject, readArray, readObject, readString, requireString } from './json.ts';
import { networkNameProblem } from './names.ts';
import type { Result } from './result.ts';
import { decodeResult } from './result-decode.ts';
import { readRuntimeConfig } from './runtime-config.ts';
import type { CniVersion } from './version.ts';
import { requireVersion } from './version.ts';

/** What identifies an attachment within its network. */
export interface Attachment {
  readonly containerId: string;
  readonly ifname: string;
}

/** A plugin's configuration as the protocol understands it; the plugin's own keys are in `raw`. */
export interface NetConf {
  /** The version to answer in. */
  readonly cniVersion: CniVersion;
  /** The network's name, valid as a file name. */
  readonly name: string;
  /** '' when the configuration has none: the plugin knows who it is. */
  readonly type: string;
  readonly ipam: IpamConf | undefined;
  /** The result of the plugins before this one (ADD), or of the whole chain's ADD (CHECK, DEL). */
  readonly prevResult: Result | undefined;
  /** Values for the capabilities that the configuration declares. */
  readonly runtimeConfig: JsonObject;
  /** The key `args`: arguments of the older convention, `args.cni`. */
  readonly args: JsonObject;
  /** `cni.dev/valid-attachments`: what GC must keep. Undefined when the key is absent. */
  readonly validAttachments: readonly Attachment[] | undefined;
  /** Every key as it came, to read the plugin's own keys from and to hand on to delegates. */
  readonly raw: JsonObject;
}

/** The `ipam` section: its type and all its keys. */
export interface IpamConf {
  /** '' when the section has no type: no addresses are managed. */
  readonly type: string;
  readonly raw: JsonObject;
}

/** How strictly to read. */
export interface NetConfOptions {
  /** Treat an unreadable prevResult as absent, so that a DEL can still clean up. */
  readonly lenientPrevResult?: boolean;
}

/**
 * Bytes that are taken from stdin at most. The largest lists of attachments (10,000 pods twice in a GC) take about
 * 2 MB.
 */
export const maxConfigBytes: number = 8 * 1024 * 1024;

/**
 * Parses what a runtime writes to a plugin's stdin. Throws code 6 for what is no JSON or of wrong types, 7 for a
 * missing or invalid network name, 1 for an unknown version.
 */
export function parseNetConf(bytes: Uint8Array, options: NetConfOptions = {}): NetConf {
  if (bytes.length > maxConfigBytes) throw configTooLarge();
  return netConfFromObject(parseJsonObject(bytes, 'the network configuration on stdin'), options);
}

/** Code 6, for more bytes on stdin than maxConfigBytes. */
export function configTooLarge(): CniError {
  return decodingFailure(`the network configuration on stdin is larger than ${maxConfigBytes} bytes`);
}

/** As parseNetConf, for an object at hand: what a plugin hands to a delegate in the same process. */
export function netConfFromObject(raw: JsonObject, options: NetConfOptions = {}): NetConf {
  const name = readString(raw['name'], 'name') ?? '';
  const problem = networkNameProblem(name);
  if (name === '') throw invalidConfig('the network configuration has no "name": add one to the conflist');
  if (problem) throw invalidConfig(`network name ${JSON.stringify(name.slice(0, 256))} ${problem}`);
  const cniVersion = requireVersion(
    readString(raw['cniVersion'], 'cniVersion') ?? '',
    'the network configuration',
  );
  return {
    cniVersion,
    name,
    type: readString(raw['type'], 'type') ?? '',
    ipam: readIpam(raw['ipam']),
    prevResult: readPrevResult(raw['prevResult'], cniVersion, options),
    runtimeConfig: readRuntimeConfig(raw['runtimeConfig']),
    args: readObject(raw['args'], 'args') ?? {},
    validAttachments: readAttachments(raw['cni.dev/valid-attachments'], 'cni.dev/valid-attachments'),
    raw,
  };
}

function readIpam(value: unknown): IpamConf | undefined {
  const raw = readObject(value, 'ipam');
  if (raw === undefined) return undefined;
  return { type: readString(raw['type'], 'ipam.type') ?? '', raw };
}

function readPrevResult(value: unknown, version: CniVersion, options: NetConfOptions): Result | undefined {
  try {
    const raw = readObject(value, 'prevResult');
    return raw === undefined
      ? undefined
      : decodeResult(raw, { path: 'prevResult', implicitVersion: version });
  } catch (error) {
    if (options.lenientPrevResult && isCniError(error)) return undefined;
    throw error;
  }
}

function readAttachments(value: unknown, path: string): readonly Attachment[] | undefined {
  // Go writes an empty list so that nobody has put anything into: CRI-O's, of a network without pods.
  if (value === null) return [];
  return readArray(value, path)?.map((entry, index) => {
    const at = `${path}[${index}]`;
    const raw = readObject(entry, at);
    if (raw === undefined) throw decodingFailure(`${at} must be an object, got null`);
    return {
      containerId: requireString(raw['containerID'], `${at}.containerID`),
      ifname: requireString(raw['ifname'], `${at}.ifname`),
    };
  });
}
