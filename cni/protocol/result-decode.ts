import type { Cidr } from '../../shared/ip/cidr.ts';
import { parseCidr } from '../../shared/ip/cidr.ts';
import type { Ip } from '../../shared/ip/ip.ts';
import { parseIp } from '../../shared/ip/ip.ts';
import { decodingFailure } from './error.ts';
import type { JsonObject } from './json.ts';
import { readArray, readObject, readString, readStrings, readUint, requireString } from './json.ts';
import type { Dns, Interface, IpConfig, Result, Route } from './result.ts';
import type { CniVersion } from './version.ts';
import { isAtLeast, requireVersion } from './version.ts';

/** How to read a result. */
export interface DecodeOptions {
  /** What the object is called in messages, e.g. "prevResult". */
  readonly path: string;
  /** The version of a result that does not say its own: before 1.0.0 plugins left it out. Default 0.1.0. */
  readonly implicitVersion?: CniVersion;
}

/**
 * A result of any version, as the present shape. Absent parts become empty; unknown keys are dropped. Throws code 6
 * for wrong types and addresses, 1 for an unknown version.
 */
export function decodeResult(raw: JsonObject, options: DecodeOptions): Result {
  const { path } = options;
  const version = resultVersion(raw, options);
  const dns = decodeDns(raw['dns'], `${path}.dns`);
  if (!isAtLeast(version, '0.3.0')) return decodeFamilies(raw, path, dns);
  // 0.3.x and 0.4.0 carry "version": "4"|"6" beside each address, which says nothing that the address does not.
  const modern = isAtLeast(version, '1.0.0');
  return {
    interfaces: decodeList(raw['interfaces'], `${path}.interfaces`, (entry, at) =>
      decodeInterface(entry, at, modern),
    ),
    ips: decodeList(raw['ips'], `${path}.ips`, decodeIp),
    routes: decodeList(raw['routes'], `${path}.routes`, decodeRoute),
    dns,
  };
}

/** The version that a result names, else the implicit one. */
export function resultVersion(raw: JsonObject, options: DecodeOptions): CniVersion {
  const text = readString(raw['cniVersion'], `${options.path}.cniVersion`) ?? '';
  return text === '' ? (options.implicitVersion ?? '0.1.0') : requireVersion(text, options.path);
}

/** 0.1.0 and 0.2.0: one address a family, with its routes below it. */
function decodeFamilies(raw: JsonObject, path: string, dns: Dns): Result {
  const ips: IpConfig[] = [];
  const routes: Route[] = [];
  for (const [key, family] of [
    ['ip4', 4],
    ['ip6', 6],
  ] as const) {
    const at = `${path}.${key}`;
    const entry = readObject(raw[key], at);
    if (entry === undefined) continue;
    const address = decodeCidr(entry['ip'], `${at}.ip`);
    if (address.ip.family !== family) throw decodingFailure(`${at}.ip must be an IPv${family} address`);
    ips.push({ address, ...decodeOptionalIp('gateway', entry['gateway'], `${at}.gateway`) });
    routes.push(...decodeList(entry['routes'], `${at}.routes`, decodeRoute));
  }
  return { interfaces: [], ips, routes, dns };
}

function decodeInterface(raw: JsonObject, path: string, modern: boolean): Interface {
  return {
    name: readString(raw['name'], `${path}.name`) ?? '',
    ...optionalText('mac', raw['mac'], `${path}.mac`),
    ...optionalText('sandbox', raw['sandbox'], `${path}.sandbox`),
    ...(modern ? decodeModernInterface(raw, path) : {}),
  };
}

function decodeModernInterface(raw: JsonObject, path: string): Partial<Interface> {
  const mtu = readUint(raw['mtu'], `${path}.mtu`);
  return {
    ...(mtu ? { mtu } : {}),
    ...optionalText('socketPath', raw['socketPath'], `${path}.socketPath`),
    ...optionalText('pciId', raw['pciID'], `${path}.pciID`),
  };
}

function decodeIp(raw: JsonObject, path: string): IpConfig {
  const index = readUint(raw['interface'], `${path}.interface`);
  return {
    address: decodeCidr(raw['address'], `${path}.address`),
    ...decodeOptionalIp('gateway', raw['gateway'], `${path}.gateway`),
    ...(index === undefined ? {} : { interface: index }),
  };
}

function decodeRoute(raw: JsonObject, path: string): Route {
  return {
    dst: decodeCidr(raw['dst'], `${path}.dst`),
    ...decodeOptionalIp('gw', raw['gw'], `${path}.gw`),
    ...nonZero('mtu', raw['mtu'], `${path}.mtu`),
    ...nonZero('advmss', raw['advmss'], `${path}.advmss`),
    ...nonZero('priority', raw['priority'], `${path}.priority`),
    ...optionalUint('table', raw['table'], `${path}.table`),
    ...optionalUint('scope', raw['scope'], `${path}.scope`),
  };
}

function decodeDns(value: unknown, path: string): Dns {
  const raw = readObject(value, path);
  if (raw === undefined) return {};
  return {
    ...optionalTexts('nameservers', raw['nameservers'], `${path}.nameservers`),
    ...optionalText('domain', raw['domain'], `${path}.domain`),
    ...optionalTexts('search', raw['search'], `${path}.search`),
    ...optionalTexts('options', raw['options'], `${path}.options`),
  };
}

function decodeList<T>(value: unknown, path: string, decode: (raw: JsonObject, path: string) => T): T[] {
  return (readArray(value, path) ?? []).map((entry, index) => {
    const at = `${path}[${index}]`;
    const raw = readObject(entry, at);
    if (raw === undefined) throw decodingFailure(`${at} must be an object, got null`);
    return decode(raw, at);
  });
}

function decodeCidr(value: unknown, path: string): Cidr {
  const text = requireString(value, path);
  const cidr = parseCidr(text);
  if (cidr) return cidr;
  throw decodingFailure(
    `${path} must be an address with its prefix length, got ${JSON.stringify(text.slice(0, 100))}`,
  );
}

/** '' counts as absent, as in Go's net.IP. */
function decodeOptionalIp<K extends string>(key: K, value: unknown, path: string): { [key in K]?: Ip } {
  const text = readString(value, path) ?? '';
  if (text === '') return {};
  const ip = parseIp(text);
  if (ip) return { [key]: ip } as { [key in K]: Ip };
  throw decodingFailure(`${path} must be an IP address, got ${JSON.stringify(text.slice(0, 100))}`);
}

/** '' counts as absent: the reference library leaves empty strings out. */
function optionalText<K extends string>(key: K, value: unknown, path: string): { [key in K]?: string } {
  const text = readString(value, path) ?? '';
  return text === '' ? {} : ({ [key]: text } as { [key in K]: string });
}

function optionalTexts<K extends string>(
  key: K,
  value: unknown,
  path: string,
): { [key in K]?: readonly string[] } {
  const texts = readStrings(value, path) ?? [];
  return texts.length === 0 ? {} : ({ [key]: texts } as { [key in K]: readonly string[] });
}

function optionalUint<K extends string>(key: K, value: unknown, path: string): { [key in K]?: number } {
  const number = readUint(value, path);
  return number === undefined ? {} : ({ [key]: number } as { [key in K]: number });
}

/** 0 means "not set" for these in the reference library, and for the kernel. */
function nonZero<K extends string>(key: K, value: unknown, path: string): { [key in K]?: number } {
  const number = readUint(value, path);
  return number ? ({ [key]: number } as { [key in K]: number }) : {};
}
