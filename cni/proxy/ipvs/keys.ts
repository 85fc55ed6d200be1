/**
 * Servers and entries of sets as strings of bytes, like the addresses that they are made of: keys of a Map as they stand.
 * Pure.
 */

import { type Cidr, networkOf } from '../../../shared/ip/cidr.ts';
import type { Ip } from '../../../shared/ip/ip.ts';
import type { IpSetEntry, IpSetType } from '../../../shared/netlink/codec/ipset.ts';
import type { RealServer, VirtualServerKey } from '../../../shared/netlink/codec/ipvs.ts';
import {
  type Address,
  addressOf,
  type Endpoint,
  endpointOf,
  packAddress,
  portOf,
  unpackAddress,
} from '../model/endpoint.ts';
import { PROTOCOL_NUMBER, type Protocol } from '../model/service-port.ts';

declare const server: unique symbol;
declare const entry: unique symbol;

/** Address, port and, in one more character, the protocol's number. */
export type ServerKey = string & { readonly [server]: true };

/** An entry of a set; how it reads is its type's. */
export type EntryKey = string & { readonly [entry]: true };

export function serverKeyOf(address: Address, port: number, protocol: Protocol): ServerKey {
  return (endpointOf(address, port) + String.fromCharCode(PROTOCOL_NUMBER[protocol])) as ServerKey;
}

export function serverKeyFrom({ address, port, protocol }: VirtualServerKey): ServerKey {
  return (endpointOf(packAddress(address), port) + String.fromCharCode(protocol)) as ServerKey;
}

export function virtualServerOf(key: ServerKey): VirtualServerKey {
  const frontend = frontendOf(key);
  return {
    address: unpackAddress(addressOf(frontend)),
    port: portOf(frontend),
    protocol: key.charCodeAt(key.length - 1),
  };
}

/** Address and port, without the protocol. */
export function frontendOf(key: ServerKey): Endpoint {
  return key.slice(0, -1) as Endpoint;
}

export function addressOfServer(key: ServerKey): Address {
  return addressOf(frontendOf(key));
}

export function realServerOf(endpoint: Endpoint, weight: number): RealServer {
  return { address: unpackAddress(addressOf(endpoint)), port: portOf(endpoint), weight };
}

export function endpointFrom({ address, port }: RealServer): Endpoint {
  return endpointOf(packAddress(address), port);
}

/** Of hash:ip. */
export function ipEntry(address: Address): EntryKey {
  return address as string as EntryKey;
}

/** Of hash:ip,port. */
export function ipPortEntry(key: ServerKey): EntryKey {
  return key as string as EntryKey;
}

/** Of hash:ip,port,ip. */
export function ipPortIpEntry(key: ServerKey, address: Address): EntryKey {
  return (key + address) as EntryKey;
}

/** Of hash:ip,port,net: one, or two for a network that is everything, which no entry can be. */
export function ipPortNetEntries(key: ServerKey, network: Cidr): EntryKey[] {
  const { ip, prefix } = networkOf(network);
  const one = (first: Ip, bits: number): EntryKey =>
    (key + packAddress(first) + String.fromCharCode(bits)) as EntryKey;
  if (prefix > 0) return [one(ip, prefix)];
  const half = 1n << (ip.family === 4 ? 31n : 127n);
  return [one({ ...ip, value: 0n }, 1), one({ ...ip, value: half }, 1)];
}

/** Of bitmap:port. */
export function portEntry(port: number): EntryKey {
  return String.fromCharCode(port >>> 8, port & 255) as EntryKey;
}

/** @param size bytes of an address of the set's family */
export function entryOf(type: IpSetType, key: EntryKey, size: 4 | 16): IpSetEntry {
  const ip = (from: number): Ip => unpackAddress(key.slice(from, from + size) as Address);
  if (type === 'bitmap:port') return { port: portOf(key as string as Endpoint) };
  if (type === 'hash:ip') return { ip: ip(0) };
  const of = {
    ip: ip(0),
    port: portOf(key.slice(0, size + 2) as Endpoint),
    protocol: key.charCodeAt(size + 2),
  };
  if (type === 'hash:ip,port') return of;
  const more = { ...of, ip2: ip(size + 3) };
  return type === 'hash:ip,port,ip' ? more : { ...more, prefix2: key.charCodeAt(2 * size + 3) };
}

/** @returns undefined for what is none of this type's entries */
export function entryFrom(
  type: IpSetType,
  { ip, port, protocol, ip2, prefix2 }: IpSetEntry,
): EntryKey | undefined {
  if (type === 'bitmap:port') return port === undefined ? undefined : portEntry(port);
  if (ip === undefined) return undefined;
  const address = packAddress(ip);
  if (type === 'hash:ip') return ipEntry(address);
  if (port === undefined || protocol === undefined) return undefined;
  const of = endpointOf(address, port) + String.fromCharCode(protocol);
  if (type === 'hash:ip,port') return of as EntryKey;
  if (ip2 === undefined) return undefined;
  const end = type === 'hash:ip,port,ip' ? '' : String.fromCharCode(prefix2 ?? packAddress(ip2).length * 8);
  return (of + packAddress(ip2) + end) as EntryKey;
}
