import { formatCidr } from '../../shared/ip/cidr.ts';
import type { Ip } from '../../shared/ip/ip.ts';
import { formatIp } from '../../shared/ip/ip.ts';
import { incompatibleVersion } from './error.ts';
import type { JsonObject } from './json.ts';
import type { Dns, Interface, IpConfig, Result, Route } from './result.ts';
import { isEmptyDns } from './result.ts';
import type { CniVersion } from './version.ts';
import { isAtLeast } from './version.ts';

/**
 * A result as the JSON object of `version`; empty parts are left out. What a version cannot carry is dropped as the
 * reference library drops it: before 1.0.0 an interface's mtu, socketPath and pciID; before 0.3.0 interfaces, all but
 * the first address of each family, and a route's other keys. Throws code 1 for a result without addresses before
 * 0.3.0, which cannot be expressed.
 */
export function encodeResult(result: Result, version: CniVersion): JsonObject {
  return isAtLeast(version, '0.3.0') ? encodeLists(result, version) : encodeFamilies(result, version);
}

function encodeLists(result: Result, version: CniVersion): JsonObject {
  const modern = isAtLeast(version, '1.0.0');
  return {
    cniVersion: version,
    ...list('interfaces', encodeEach(result.interfaces, encodeInterface, modern)),
    ...list('ips', encodeEach(result.ips, encodeIp, modern)),
    ...list('routes', encodeEach(result.routes, encodeRoute, modern)),
    ...encodeDns(result.dns),
  };
}

/** No `map`: its first use costs a fresh process 50 µs, and every ADD comes by here. */
function encodeEach<T>(
  entries: readonly T[],
  encode: (entry: T, modern: boolean) => JsonObject,
  modern: boolean,
): JsonObject[] {
  const encoded: JsonObject[] = [];
  for (const entry of entries) encoded.push(encode(entry, modern));
  return encoded;
}

function encodeFamilies(result: Result, version: CniVersion): JsonObject {
  const ip4 = encodeFamily(result, 4);
  const ip6 = encodeFamily(result, 6);
  if (!ip4 && !ip6) {
    throw incompatibleVersion(`a result without addresses cannot be expressed in CNI ${version}`, {
      details: 'set cniVersion to 0.3.0 or later in the conflist',
    });
  }
  return { cniVersion: version, ...(ip4 ? { ip4 } : {}), ...(ip6 ? { ip6 } : {}), ...encodeDns(result.dns) };
}

function encodeFamily(result: Result, family: 4 | 6): JsonObject | undefined {
  const first = result.ips.find((entry) => entry.address.ip.family === family);
  if (!first) return undefined;
  const routes = result.routes
    .filter((route) => route.dst.ip.family === family)
    .map((route) => ({ dst: formatCidr(route.dst), ...ipText('gw', route.gw) }));
  return { ip: formatCidr(first.address), ...ipText('gateway', first.gateway), ...list('routes', routes) };
}

function encodeInterface(entry: Interface, modern: boolean): JsonObject {
  return {
    name: entry.name,
    ...text('mac', entry.mac),
    ...(modern && entry.mtu ? { mtu: entry.mtu } : {}),
    ...text('sandbox', entry.sandbox),
    ...(modern ? { ...text('socketPath', entry.socketPath), ...text('pciID', entry.pciId) } : {}),
  };
}

function encodeIp(entry: IpConfig, modern: boolean): JsonObject {
  return {
    ...(modern ? {} : { version: String(entry.address.ip.family) }),
    ...(entry.interface === undefined ? {} : { interface: entry.interface }),
    address: formatCidr(entry.address),
    ...ipText('gateway', entry.gateway),
  };
}

function encodeRoute(route: Route): JsonObject {
  return {
    dst: formatCidr(route.dst),
    ...ipText('gw', route.gw),
    ...(route.mtu ? { mtu: route.mtu } : {}),
    ...(route.advmss ? { advmss: route.advmss } : {}),
    ...(route.priority ? { priority: route.priority } : {}),
    ...(route.table === undefined ? {} : { table: route.table }),
    ...(route.scope === undefined ? {} : { scope: route.scope }),
  };
}

function encodeDns(dns: Dns): JsonObject {
  if (isEmptyDns(dns)) return {};
  const { nameservers = [], domain, search = [], options = [] } = dns;
  return {
    dns: {
      ...list('nameservers', nameservers),
      ...text('domain', domain),
      ...list('search', search),
      ...list('options', options),
    },
  };
}

function list(key: string, entries: readonly unknown[]): JsonObject {
  return entries.length === 0 ? {} : { [key]: entries };
}

function text(key: string, value: string | undefined): JsonObject {
  return value ? { [key]: value } : {};
}

function ipText(key: string, ip: Ip | undefined): JsonObject {
  return ip === undefined ? {} : { [key]: formatIp(ip) };
}
