/** What a Service asks to be reached by, in one address family. Pure. */

import { type Cidr, contains } from '../../../shared/ip/cidr.ts';
import { familyBits, type Ip } from '../../../shared/ip/ip.ts';
import type { Claimant } from './claims.ts';
import { type Address, type Family, familyOf, unpackAddress } from './endpoint.ts';
import type { PortInfo, ServiceInfo } from './service.ts';
import type { Frontend } from './service-port.ts';

/** A port of a Service that has an address of the family. */
export interface WantedPort extends Claimant {
  readonly info: PortInfo;
}

/** It has an address of this family; without one it is none of this family's, whatever else it has. */
export function isServed({ clusterIps }: ServiceInfo, family: Family): boolean {
  for (const address of clusterIps) if (familyOf(address) === family) return true;
  return false;
}

/**
 * The API server sees to it that ports have names of their own. Where nobody did, the last of a name counts, and a name that
 * several protocols have is told apart by them.
 */
export function wantedPorts({ key, created, ports }: ServiceInfo): readonly WantedPort[] {
  const wanted: WantedPort[] = [];
  for (const info of ports) {
    const base = info.name === '' ? key : `${key}:${info.name}`;
    const same = wanted.findIndex(({ info: other }) => isSamePort(other, info));
    const isShared = wanted.some((other, at) => at !== same && other.name === base);
    const port = { name: isShared ? `${base}/${info.protocol}` : base, service: key, created, info };
    if (same >= 0) wanted[same] = port;
    else wanted.push(port);
  }
  return wanted;
}

/** As endpoints are found. */
function isSamePort(a: PortInfo, b: PortInfo): boolean {
  return a.name === b.name && a.protocol === b.protocol;
}

/** All ways to reach a port, each once. */
export function wantedFrontends(
  service: ServiceInfo,
  { port, nodePort }: PortInfo,
  family: Family,
): Frontend[] {
  const { clusterIps, loadBalancerIps, externalIps, internalPolicy, externalPolicy } = service;
  const frontends: Frontend[] = [];
  const add = (kind: Frontend['kind'], addresses: readonly Address[], policy: Frontend['policy']): void => {
    for (const address of addresses)
      if (familyOf(address) === family && !frontends.some((other) => other.address === address))
        frontends.push({ kind, address, port, policy });
  };
  add('cluster-ip', clusterIps, internalPolicy);
  // A load balancer's address may be among the external ones: its source ranges must count then.
  add('load-balancer', loadBalancerIps, externalPolicy);
  add('external-ip', externalIps, externalPolicy);
  if (nodePort !== undefined) frontends.push({ kind: 'node-port', port: nodePort, policy: externalPolicy });
  return frontends;
}

/**
 * Who may use the load balancer's addresses; `undefined`: everybody, also where all ranges are of the other family, as
 * kube-proxy has it. A range that has the node's main address allows the balancer's, too: what the node sends there comes
 * from it.
 */
export function allowedSources(
  { sourceRanges, isRangeMissing, loadBalancerIps }: ServiceInfo,
  family: Family,
  nodeAddresses: readonly Ip[],
): readonly Cidr[] | undefined {
  if (!sourceRanges) return undefined;
  const own = sourceRanges.filter(({ ip }) => ip.family === family);
  if (own.length === 0 && !isRangeMissing) return undefined;
  if (own.some(({ prefix }) => prefix === 0)) return undefined;
  const main = nodeAddresses.find((address) => address.family === family);
  if (!main || !own.some((range) => contains(range, main))) return own;
  const virtual = loadBalancerIps.filter((address) => familyOf(address) === family);
  return [...own, ...virtual.map((address) => ({ ip: unpackAddress(address), prefix: familyBits(family) }))];
}
