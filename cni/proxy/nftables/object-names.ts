/** How the chains and sets of one service port are called. The same in every layout, so that clients are found again. Pure. */

import type { Endpoint } from '../model/endpoint.ts';
import type { ServicePortName } from '../model/service-port.ts';
import type { Value } from './values.ts';

/** What sets of clients begin with. */
export const CLIENTS = 'clients-';

/** What sets of networks that may use a load balancer begin with. */
export const SOURCES = 'sources-';

export function clientsOf(port: ServicePortName, endpoint: Endpoint): string {
  return `${CLIENTS}${objectName(port)}/${endpointName(endpoint)}`;
}

export function endpointChain(port: ServicePortName, endpoint: Endpoint): string {
  return `endpoint-${objectName(port)}/${endpointName(endpoint)}`;
}

/** The chain that chooses an endpoint, `here` among this node's only. */
export function affinityChain(port: ServicePortName, where: 'everywhere' | 'here'): string {
  return `${where === 'here' ? 'local-affinity' : 'affinity'}-${objectName(port)}`;
}

/** The chain that a value with affinity leads to. */
export function affinityTarget(port: ServicePortName, { kind, affinity = 'everywhere' }: Value): string {
  return kind === 'never' ? affinityChain(port, affinity) : `${kind}-${affinityChain(port, affinity)}`;
}

export function firewallChain(port: ServicePortName): string {
  return `firewall-${objectName(port)}`;
}

export function sourcesOf(port: ServicePortName): string {
  return `${SOURCES}${objectName(port)}`;
}

/**
 * A service port's name as a part of names in the table, which may hold no colon: `namespace/name/port`, or
 * `namespace/name` where the port has none.
 */
function objectName(port: ServicePortName): string {
  return port.replace(':', '/');
}

/** `0a000001-1f90`: hexadecimal, for want of colons. */
function endpointName(endpoint: Endpoint): string {
  let text = '';
  for (let at = 0; at < endpoint.length; at += 1) {
    if (at === endpoint.length - 2) text += '-';
    text += endpoint.charCodeAt(at).toString(16).padStart(2, '0');
  }
  return text;
}
