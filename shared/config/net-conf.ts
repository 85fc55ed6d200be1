/** flannel's net-conf.json (flannel, Documentation/configuration.md): parsed, checked, defaults filled in. Pure. */

import type { Cidr } from '../ip/cidr.ts';
import type { Ip } from '../ip/ip.ts';
import { parseFamily } from './net-conf-family.ts';
import { NetConfError, type NetConfValues, readKeys } from './net-conf-keys.ts';

export { NetConfError } from './net-conf-keys.ts';

/** The pod network of one IP family. All addresses are checked: aligned, inside `network`, min ≤ max. */
export interface FamilyConf {
  /** Host bits are zero. */
  readonly network: Cidr;
  /** Prefix length of a node's subnet. */
  readonly subnetLen: number;
  /** Network address of the first subnet that may be given out. */
  readonly subnetMin: Ip;
  /** Network address of the last subnet that may be given out. */
  readonly subnetMax: Ip;
}

/** flannel's net-conf.json, checked and with its defaults filled in. At least one family is there. */
export interface NetConf {
  readonly ipv4?: FamilyConf;
  readonly ipv6?: FamilyConf;
  /** As the file says it; `undefined` where it says nothing (flannel then takes false). */
  readonly enableNFTables?: boolean;
  readonly backend: BackendConf;
  /** Top-level keys that flannel does not know either: nothing reads them, so a caller should warn. */
  readonly unknownKeys: readonly string[];
}

export interface BackendConf {
  /** In lower case; `vxlan` unless the file says otherwise. */
  readonly type: string;
  /** The other keys of `Backend`, as they came: each backend checks its own. */
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * Parses and checks the text of a net-conf.json. A family that is not enabled is not looked at (k3s writes
 * `"IPv6Network": "::/0"` there).
 *
 * @throws NetConfError
 */
export function parseNetConf(text: string): NetConf {
  let value: unknown;
  try {
    // A byte order mark is what some editors leave; JSON.parse has no patience with it.
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new NetConfError(`net-conf.json is not valid JSON (${detail}); check commas, quotes and braces`, {
      cause,
    });
  }
  const { values, unknownKeys } = readKeys(value);
  const enable4 = readFlag(values, 'EnableIPv4', true);
  const enable6 = readFlag(values, 'EnableIPv6', false);
  if (!enable4 && !enable6) {
    throw new NetConfError('EnableIPv4 and EnableIPv6 are both false; set one of them to true');
  }
  return {
    ...(enable4 && { ipv4: parseFamily(4, values) }),
    ...(enable6 && { ipv6: parseFamily(6, values) }),
    ...(values.EnableNFTables !== undefined && {
      enableNFTables: readFlag(values, 'EnableNFTables', false),
    }),
    backend: parseBackend(values.Backend),
    unknownKeys,
  };
}

function readFlag(
  values: NetConfValues,
  key: 'EnableIPv4' | 'EnableIPv6' | 'EnableNFTables',
  or: boolean,
): boolean {
  const value = values[key] ?? or;
  if (typeof value !== 'boolean') {
    throw new NetConfError(`${key} is ${JSON.stringify(value)}; write true or false without quotes`);
  }
  return value;
}

/**
 * Without `Backend` flannel's manual promises vxlan while its code falls back to udp, which is deprecated there and
 * not built here: the manual wins.
 */
function parseBackend(value: unknown): BackendConf {
  if (value === undefined || value === null) return { type: 'vxlan', options: {} };
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new NetConfError(`Backend is ${JSON.stringify(value)}; write an object such as {"Type": "vxlan"}`);
  }
  const options: Record<string, unknown> = { ...value };
  const typeKey = Object.keys(options).find((key) => key.toLowerCase() === 'type') ?? 'Type';
  const type = options[typeKey];
  delete options[typeKey];
  if (typeof type !== 'string' || type === '') {
    throw new NetConfError('Backend has no Type; write for example {"Type": "vxlan"}');
  }
  return { type: type.toLowerCase(), options };
}
