/** Service ports as lines of JSON, for the node's cache. Pure. */

import { type Cidr, formatCidr, parseCidr } from '../../../shared/ip/cidr.ts';
import {
  type Address,
  addressOf,
  type Endpoint,
  endpointOf,
  formatAddress,
  parseAddress,
  portOf,
} from '../model/endpoint.ts';
import type { Frontend, Protocol, ServicePort } from '../model/service-port.ts';

/** `[name, service, protocol, frontends, endpoints, localEndpoints, affinity, sourceRanges, healthCheckPort]`, short for there are many. */
export function portToLine(port: ServicePort): string {
  const { name, service, protocol, frontends, endpoints, localEndpoints } = port;
  const { affinity, sourceRanges, healthCheckPort } = port;
  return JSON.stringify([
    name,
    service,
    protocol,
    frontends.map(({ kind, address, port: number, policy }) => [
      kind,
      address === undefined ? '' : formatAddress(address),
      number,
      policy,
    ]),
    endpoints.map(endpointText),
    localEndpoints.map(endpointText),
    affinity ?? 0,
    sourceRanges?.map(formatCidr) ?? null,
    ...(healthCheckPort === undefined ? [] : [healthCheckPort]),
  ]);
}

/** @throws Error where it is no port */
export function portFromLine(line: string): ServicePort {
  const [name, service, protocol, frontends, endpoints, localEndpoints, affinity, ranges, check] = JSON.parse(
    line,
  ) as unknown[];
  if (typeof name !== 'string' || typeof service !== 'string') throw new Error('a port without a name');
  return {
    name,
    service,
    protocol: oneOf<Protocol>(protocol, 'TCP', 'UDP', 'SCTP'),
    frontends: list(frontends).map(frontend),
    endpoints: list(endpoints).map(endpoint),
    localEndpoints: list(localEndpoints).map(endpoint),
    ...(typeof affinity === 'number' && affinity > 0 && { affinity }),
    ...(Array.isArray(ranges) && { sourceRanges: ranges.map(network) }),
    ...(check !== undefined && { healthCheckPort: portNumber(check) }),
  };
}

function endpointText(of: Endpoint): string {
  return `${formatAddress(addressOf(of))} ${portOf(of)}`;
}

function endpoint(text: unknown): Endpoint {
  const [address = '', port] = String(text).split(' ');
  return endpointOf(addressIn(address), portNumber(Number(port)));
}

function frontend(value: unknown): Frontend {
  const [kind, address, port, policy] = list(value);
  return {
    kind: oneOf<Frontend['kind']>(kind, 'cluster-ip', 'external-ip', 'load-balancer', 'node-port'),
    ...(address !== '' && { address: addressIn(address) }),
    port: portNumber(port),
    policy: oneOf<Frontend['policy']>(policy, 'cluster', 'local'),
  };
}

function addressIn(value: unknown): Address {
  const address = parseAddress(String(value));
  if (address === undefined) throw new Error(`no address: ${String(value)}`);
  return address;
}

function network(value: unknown): Cidr {
  const cidr = parseCidr(String(value));
  if (cidr === undefined) throw new Error(`no network: ${String(value)}`);
  return cidr;
}

function portNumber(value: unknown): number {
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > 65_535)
    throw new Error(`no port: ${String(value)}`);
  return value as number;
}

function oneOf<T extends string>(value: unknown, ...words: readonly T[]): T {
  const found = words.find((word) => word === value);
  if (found === undefined) throw new Error(`neither of ${words.join(', ')}: ${String(value)}`);
  return found;
}

function list(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new Error('no list');
  return value;
}
