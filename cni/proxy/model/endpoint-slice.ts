/**
 * What is kept of an EndpointSlice: seven bytes an endpoint (nineteen of IPv6), and texts only where hints are in use. Pure.
 */

import type { EndpointSlice } from '../../../shared/kube/types.ts';
import { type Address, type Family, familyOf, parseAddress } from './endpoint.ts';
import { isPort, isProtocol } from './service.ts';
import type { Protocol } from './service-port.ts';

/** discovery.k8s.io/v1: the Service that a slice belongs to. */
const SERVICE_NAME = 'kubernetes.io/service-name';
/** When what led to the last change happened, RFC 3339 (k8s.io/api/core/v1, EndpointsLastChangeTriggerTime). */
const TRIGGER_TIME = 'endpoints.kubernetes.io/last-change-trigger-time';

/** Bits of an endpoint. */
export const READY = 1;
export const SERVING = 2;
export const TERMINATING = 4;
/** It is on this node. */
export const LOCAL = 8;
/** Hints name nodes it is for … */
export const FOR_NODES = 16;
/** … this one among them. */
export const FOR_THIS_NODE = 32;

export interface SliceInfo {
  /** `namespace/name` of its Service. */
  readonly service: string;
  readonly family: Family;
  readonly ports: readonly SlicePort[];
  /** All addresses in one string. */
  readonly addresses: string;
  /** Bits, one byte an endpoint. */
  readonly flags: Uint8Array;
  /** Zones that each endpoint is for, where any has such hints. */
  readonly zones?: readonly (readonly string[])[];
  /** Milliseconds since the epoch. */
  readonly triggered?: number;
}

export interface SlicePort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}

/** Zone lists repeat: one array for each. */
const NO_ZONES: readonly string[] = [];

/** @param node this node's name. `undefined` for slices of no Service, and of names instead of addresses */
export function projectEndpointSlice(slice: EndpointSlice, node: string): SliceInfo | undefined {
  const { metadata, addressType, endpoints, ports } = slice;
  const name = metadata.labels?.[SERVICE_NAME];
  const family = addressType === 'IPv4' ? 4 : addressType === 'IPv6' ? 6 : undefined;
  if (!name || family === undefined) return undefined;
  const all = Array.isArray(endpoints) ? endpoints.filter((endpoint) => endpoint !== null) : [];
  const flags = new Uint8Array(all.length);
  const zones: (readonly string[])[] = [];
  let addresses = '';
  let count = 0;
  let anyZones = false;
  for (const endpoint of all) {
    // The others are the same endpoint once more (discovery/v1): only the first is used.
    const address = packed(endpoint.addresses?.[0], family);
    if (address === undefined) continue;
    addresses += address;
    flags[count] = bitsOf(endpoint, node);
    const forZones = namesOf(endpoint.hints?.forZones);
    zones.push(forZones);
    anyZones ||= forZones.length > 0;
    count += 1;
  }
  const triggered = Date.parse(metadata.annotations?.[TRIGGER_TIME] ?? '');
  return {
    service: `${metadata.namespace ?? ''}/${name}`,
    family,
    ports: portsOf(ports),
    addresses,
    flags: flags.subarray(0, count),
    ...(anyZones && { zones }),
    ...(!Number.isNaN(triggered) && { triggered }),
  };
}

type Endpoint = NonNullable<EndpointSlice['endpoints']>[number];

/** Unknown is ready and serving, but not terminating (discovery/v1, EndpointConditions). */
function bitsOf({ conditions, nodeName, hints }: Endpoint, node: string): number {
  const forNodes = namesOf(hints?.forNodes);
  return (
    ((conditions?.ready ?? true) ? READY : 0) |
    ((conditions?.serving ?? true) ? SERVING : 0) |
    ((conditions?.terminating ?? false) ? TERMINATING : 0) |
    (nodeName === node ? LOCAL : 0) |
    (forNodes.length > 0 ? FOR_NODES : 0) |
    (forNodes.includes(node) ? FOR_THIS_NODE : 0)
  );
}

function namesOf(hints: readonly { readonly name?: string }[] | null | undefined): readonly string[] {
  if (!Array.isArray(hints) || hints.length === 0) return NO_ZONES;
  return hints.flatMap((hint: { readonly name?: unknown } | null) =>
    typeof hint?.name === 'string' ? [hint.name] : [],
  );
}

function packed(text: unknown, family: Family): Address | undefined {
  const address = typeof text === 'string' ? parseAddress(text) : undefined;
  return address !== undefined && familyOf(address) === family ? address : undefined;
}

/** A port without a number means all of them, which no Service can ask for; one without a name has an empty one. */
function portsOf(ports: EndpointSlice['ports'] | null): SlicePort[] {
  return (Array.isArray(ports) ? ports : []).flatMap((entry: Partial<SlicePort> | null) => {
    const { name, protocol, port } = entry ?? {};
    const known = protocol ?? 'TCP';
    if (!isPort(port) || !isProtocol(known)) return [];
    return [{ name: name ?? '', protocol: known, port }];
  });
}
