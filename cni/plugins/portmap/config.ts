/** portmap's keys, and what a pod asks for. Pure. */

import type { Ip } from '../../../shared/ip/ip.ts';
import { parseIp } from '../../../shared/ip/ip.ts';
import { decodingFailure, invalidConfig } from '../../protocol/error.ts';
import type { JsonObject } from '../../protocol/json.ts';
import {
  readArray,
  readBoolean,
  readInteger,
  readObject,
  readString,
  requireString,
} from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';

export type Protocol = 'tcp' | 'udp' | 'sctp';

/** One port of the node that leads to the pod. */
export interface PortMapping {
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: Protocol;
  /** The node's address; undefined: all of both families. An unspecified one: all of its family. */
  readonly hostIp: Ip | undefined;
}

export type Backend = 'nftables' | 'iptables';

/** What portmap is to do. Keys are described at the plugin (plugin.ts). */
export interface PortmapConfig {
  readonly backend: Backend;
  readonly mappings: readonly PortMapping[];
  readonly snat: boolean;
  readonly masqAll: boolean;
  /** Number of the bit, for iptables. */
  readonly markMasqBit: number;
  readonly externalSetMarkChain: string | undefined;
  readonly conditions: { readonly 4: readonly string[]; readonly 6: readonly string[] };
}

/** Kubernetes has 14 and 15, Calico 20 to 31; 13 is upstream's. */
const defaultMarkBit = 13;

/** XT_EXTENSION_MAXNAMELEN − 1 of linux/netfilter/x_tables.h: bytes of a chain's name. */
const maxChainName = 28;

/** Reads and checks all keys. Throws code 6 for wrong types, 7 for what makes no sense. */
export function readPortmapConfig(conf: NetConf): PortmapConfig {
  const { raw } = conf;
  const externalSetMarkChain = readChain(raw, 'externalSetMarkChain');
  const markMasqBit = readInteger(raw['markMasqBit'], 'markMasqBit');
  if (externalSetMarkChain !== undefined && markMasqBit !== undefined) {
    throw invalidConfig('externalSetMarkChain and markMasqBit exclude each other: remove one of them');
  }
  if (markMasqBit !== undefined && (markMasqBit < 0 || markMasqBit > 31)) {
    throw invalidConfig(`markMasqBit ${markMasqBit} must lie between 0 and 31`);
  }
  const conditions = { 4: readWords(raw, 'conditionsV4'), 6: readWords(raw, 'conditionsV6') };
  return {
    backend: readBackend(raw, conditions, externalSetMarkChain),
    mappings: readMappings(conf),
    snat: readBoolean(raw['snat'], 'snat') ?? true,
    masqAll: readBoolean(raw['masqAll'], 'masqAll') ?? false,
    markMasqBit: markMasqBit ?? defaultMarkBit,
    externalSetMarkChain,
    conditions,
  };
}

/**
 * nftables unless the configuration says otherwise, by its key or by something that only iptables has. (Upstream takes
 * iptables wherever there is one, for the same reason: hosts that have both see both.)
 */
function readBackend(
  raw: JsonObject,
  conditions: PortmapConfig['conditions'],
  externalSetMarkChain: string | undefined,
): Backend {
  const hints: [string, Backend][] = [];
  if (externalSetMarkChain !== undefined) hints.push(['externalSetMarkChain', 'iptables']);
  for (const family of [4, 6] as const) {
    const first = conditions[family][0];
    // iptables' begin with an option or a negation, nft's never.
    if (first)
      hints.push([`conditionsV${family}`, first[0] === '-' || first[0] === '!' ? 'iptables' : 'nftables']);
  }
  const given = readString(raw['backend'], 'backend') || undefined;
  if (given !== undefined && given !== 'nftables' && given !== 'iptables') {
    throw invalidConfig(`backend ${JSON.stringify(given)} is unknown: write "nftables" or "iptables"`);
  }
  const backend = given ?? hints[0]?.[1] ?? 'nftables';
  for (const [key, needs] of hints) {
    if (needs !== backend)
      throw invalidConfig(`${key} is for the backend ${needs}, but the backend is ${backend}`);
  }
  return backend;
}

/** Both are written into lines for iptables-restore: what ends a line there would begin a rule of its own. */
function readWords(raw: JsonObject, key: string): readonly string[] {
  const words: string[] = [];
  for (const entry of readArray(raw[key], key) ?? []) {
    const path = `${key}[${words.length}]`;
    const word = requireString(entry, path);
    if (hasOther(word, (code) => code >= 0x20 && code !== 0x7f))
      throw invalidConfig(`${path} is ${JSON.stringify(word)}: no condition holds control characters`);
    words.push(word);
  }
  return words;
}

function readChain(raw: JsonObject, key: string): string | undefined {
  const name = readString(raw[key], key) || undefined;
  if (name === undefined) return undefined;
  const isWord = !hasOther(name, (code) => code > 0x20 && code < 0x7f) && name[0] !== '-' && name[0] !== '!';
  if (isWord && name.length <= maxChainName) return name;
  throw invalidConfig(
    `${key} ${JSON.stringify(name)} is no chain of iptables: write the name, ${maxChainName} characters at most`,
  );
}

function hasOther(text: string, isAllowed: (code: number) => boolean): boolean {
  for (let at = 0; at < text.length; at++) if (!isAllowed(text.charCodeAt(at))) return true;
  return false;
}

/** `runtimeConfig.portMappings`. Names of protocols are taken in any case. */
export function readMappings({ runtimeConfig }: NetConf): readonly PortMapping[] {
  const mappings: PortMapping[] = [];
  for (const entry of readArray(runtimeConfig['portMappings'], 'runtimeConfig.portMappings') ?? []) {
    const path = `runtimeConfig.portMappings[${mappings.length}]`;
    const raw = readObject(entry, path);
    if (raw === undefined) throw decodingFailure(`${path} must be an object, got null`);
    mappings.push({
      hostPort: readPort(raw['hostPort'], `${path}.hostPort`),
      containerPort: readPort(raw['containerPort'], `${path}.containerPort`),
      protocol: readProtocol(raw['protocol'], `${path}.protocol`),
      hostIp: readHostIp(raw['hostIP'], `${path}.hostIP`),
    });
  }
  return mappings;
}

function readPort(value: unknown, path: string): number {
  const port = readInteger(value, path) ?? 0;
  if (port > 0 && port <= 65_535) return port;
  throw invalidConfig(`${path} ${port} must lie between 1 and 65535`);
}

function readProtocol(value: unknown, path: string): Protocol {
  const protocol = (readString(value, path) ?? '').toLowerCase();
  if (protocol === 'tcp' || protocol === 'udp' || protocol === 'sctp') return protocol;
  throw invalidConfig(`${path} ${JSON.stringify(value ?? '')} is unknown: write "tcp", "udp" or "sctp"`);
}

function readHostIp(value: unknown, path: string): Ip | undefined {
  const text = readString(value, path);
  if (!text) return undefined;
  const ip = parseIp(text);
  if (ip) return ip;
  throw invalidConfig(`${path} ${JSON.stringify(text)} is no IP address`);
}
