/**
 * What is kept of an EndpointSlice: thirteen bytes an endpoint (25 of IPv6), and eight more where hints by zone are in use. Pure.
 */

import type { EndpointSlice } from '../../../shared/kube/types.ts';
import { type Address, type Family, familyOf } from './endpoint.ts';
import {
  addressIn,
  few,
  fieldsOf,
  isName,
  isUnicast,
  itemsOf,
  nameOr,
  portNumberOf,
  protocolOf,
  shown,
  textOf,
} from './lenient.ts';
import type { Protocol } from './service-port.ts';
import { type Place, SharedValues } from './shared-values.ts';

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
  /** Bits, a character an endpoint. */
  readonly flags: string;
  /** One an endpoint. */
  readonly places: readonly Place[];
  /** Zones that each endpoint is for, where any has such hints. */
  readonly zones?: readonly (readonly string[])[];
  /** Milliseconds since the epoch. */
  readonly triggered?: number;
  /** What was left out, and why. */
  readonly problems?: readonly string[];
}

export interface SlicePort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}

/**
 * Reads a slice that nobody has validated: what is invalid is left out and told. Never throws.
 *
 * @param node this node's name
 * @param shared where endpoints of other slices are, too: what they have in common is kept once
 * @returns `undefined` for slices of no Service, and of names instead of addresses
 */
export function projectEndpointSlice(
  slice: EndpointSlice,
  node: string,
  shared: SharedValues = new SharedValues(),
): SliceInfo | undefined {
  const { metadata, addressType, endpoints, ports } = fieldsOf(slice);
  const { namespace, labels, annotations } = fieldsOf(metadata);
  const service = fieldsOf(labels)[SERVICE_NAME];
  const family = addressType === 'IPv4' ? 4 : addressType === 'IPv6' ? 6 : undefined;
  if (!isName(namespace) || !isName(service) || family === undefined) return undefined;
  const problems: string[] = [];
  const triggered = Date.parse(textOf(fieldsOf(annotations)[TRIGGER_TIME]) ?? '');
  const info: SliceInfo = {
    service: `${namespace}/${service}`,
    family,
    ports: portsOf(itemsOf(ports), problems),
    ...endpointsOf(itemsOf(endpoints), family, node, shared, problems),
    ...(!Number.isNaN(triggered) && { triggered }),
  };
  return problems.length === 0 ? info : { ...info, problems: few(problems) };
}

function endpointsOf(
  endpoints: readonly unknown[],
  family: Family,
  node: string,
  shared: SharedValues,
  problems: string[],
): Pick<SliceInfo, 'addresses' | 'flags' | 'places' | 'zones'> {
  const addresses: Address[] = [];
  const flags: string[] = [];
  const places: Place[] = [];
  let zones: (readonly string[])[] | undefined;
  for (const item of endpoints) {
    const { addresses: all, conditions, nodeName, zone, hints } = fieldsOf(item);
    // The others are the same endpoint once more (discovery/v1): only the first is used.
    const text = itemsOf(all)[0];
    const address = addressIn(text);
    if (address === undefined || familyOf(address) !== family || !isUnicast(address)) {
      problems.push(`an endpoint cannot have the IPv${family} address ${shown(text)}`);
      continue;
    }
    const { forZones, forNodes } = fieldsOf(hints);
    const place = shared.place(textOf(nodeName), textOf(zone));
    const isLocal = place.node !== undefined && place.node === node;
    addresses.push(address);
    places.push(place);
    flags.push(
      CHARACTERS[conditionsOf(conditions) | (isLocal ? LOCAL : 0) | nodeHintsOf(forNodes, node)] as string,
    );
    const named = namesIn(forZones);
    if (named.length > 0) zones ??= new Array<readonly string[]>(places.length - 1).fill(NO_NAMES);
    zones?.push(named.length > 0 ? shared.names(named) : NO_NAMES);
  }
  return {
    addresses: addresses.join(''),
    flags: flags.join(''),
    // Arrays that grew have room to spare.
    places: places.slice(),
    ...(zones && { zones: zones.slice() }),
  };
}

const NO_NAMES: readonly string[] = [];

/** A character for each set of bits. */
const CHARACTERS: readonly string[] = Array.from({ length: 64 }, (_, bits) => String.fromCharCode(bits));

/** What is not said is ready and serving, but not ending (discovery/v1, EndpointConditions). */
function conditionsOf(value: unknown): number {
  const { ready, serving, terminating } = fieldsOf(value);
  return (
    (ready !== false ? READY : 0) |
    (serving !== false ? SERVING : 0) |
    (terminating === true ? TERMINATING : 0)
  );
}

function nodeHintsOf(value: unknown, node: string): number {
  const names = namesIn(value);
  return names.length === 0 ? 0 : FOR_NODES | (names.includes(node) ? FOR_THIS_NODE : 0);
}

function namesIn(value: unknown): readonly string[] {
  const items = itemsOf(value);
  return items.length === 0 ? NO_NAMES : items.flatMap((item) => textOf(fieldsOf(item)['name']) ?? []);
}

/** A port without a number means all of them, which no Service can ask for; one without a name has an empty one. */
function portsOf(items: readonly unknown[], problems: string[]): SlicePort[] {
  return items.flatMap((item) => {
    const { name, protocol, port } = fieldsOf(item);
    const known = { name: nameOr(name, ''), protocol: protocolOf(protocol), port: portNumberOf(port) };
    if (known.name !== undefined && known.protocol !== undefined && known.port !== undefined)
      return [known as SlicePort];
    problems.push(`port ${shown(name)} (${shown(protocol ?? 'TCP')}) cannot be ${shown(port)}`);
    return [];
  });
}
