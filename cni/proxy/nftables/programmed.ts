/**
 * What is programmed for a service port, kept so that the next change costs what it changes. Compact: the port is the
 * model's own object, the slots are its own array wherever they can be, and all frontends of a port share them. Pure.
 */

import { type Address, addressOf, type Endpoint } from '../model/endpoint.ts';
import { type Frontend, PROTOCOL_NUMBER, type ServicePort, treatmentOf } from '../model/service-port.ts';
import { frontendKey, hostNumber, nodePortKey } from './keys.ts';
import { nextSlots } from './slots.ts';
import { encodeValue, MOST, type Value } from './values.ts';

export interface Programmed {
  readonly port: ServicePort;
  /** By slot. */
  readonly slots: readonly Endpoint[];
  /** Alike, of the endpoints on this node. */
  readonly localSlots: readonly Endpoint[];
  /** The number of the port's own chains; absent without affinity. */
  readonly affinity?: number;
}

/** The settings that treatments depend on. */
export interface Policy {
  readonly masqueradeAll: boolean;
  readonly detectsLocal: boolean;
}

/** What there is in the shared maps for one frontend. */
export interface Placed {
  readonly key: string;
  /** Which maps: those with addresses, or those of node ports. */
  readonly nodePort: boolean;
  readonly value?: Value;
  /** Absent where the value has affinity. */
  readonly slots: readonly Endpoint[];
  /** For the second look-up of externalTrafficPolicy Local. */
  readonly localSlots: readonly Endpoint[];
  readonly refusal?: 'reject' | 'drop';
  /** Only who is among the port's source ranges may. */
  readonly isGuarded: boolean;
}

const NONE: readonly Endpoint[] = [];

/** The state to come, with slots chosen such that few change. */
export function programmedOf(
  before: Programmed | undefined,
  port: ServicePort,
  affinity: number | undefined,
): Programmed {
  const slots = nextSlots(before?.slots, port.endpoints);
  const localSlots = nextSlots(before?.localSlots, port.localEndpoints);
  return affinity === undefined ? { port, slots, localSlots } : { port, slots, localSlots, affinity };
}

export function keyOf(port: ServicePort, { address, port: number }: Frontend): string {
  const protocol = PROTOCOL_NUMBER[port.protocol];
  return address === undefined ? nodePortKey(protocol, number) : frontendKey(address, protocol, number);
}

export function place(programmed: Programmed, frontend: Frontend, policy: Policy): Placed {
  const { port, slots, localSlots, affinity } = programmed;
  const nodePort = frontend.address === undefined;
  const base = {
    key: keyOf(port, frontend),
    nodePort,
    slots: NONE,
    localSlots: NONE,
    isGuarded: port.sourceRanges !== undefined && frontend.kind === 'load-balancer',
  };
  const treatment = treatmentOf(port, frontend, policy);
  switch (treatment.to) {
    case 'reject':
    case 'drop':
      return { ...base, refusal: treatment.to };
    case 'by-source': {
      if (affinity !== undefined)
        return { ...base, value: { kind: 'by-source', number: affinity, nodePort, affinity: 'everywhere' } };
      const value = { kind: 'by-source', number: Math.min(slots.length, MOST), nodePort } as const;
      return { ...base, value, slots, localSlots };
    }
    case 'cluster':
    case 'local': {
      const kind = treatment.masquerade;
      const here = treatment.to === 'local';
      if (affinity !== undefined)
        return {
          ...base,
          value: { kind, number: affinity, nodePort, affinity: here ? 'here' : 'everywhere' },
        };
      const chosen = here ? localSlots : slots;
      return { ...base, value: { kind, number: Math.min(chosen.length, MOST), nodePort }, slots: chosen };
    }
    default:
      return treatment satisfies never;
  }
}

/** The value of the second look-up; undefined where no endpoint is here. */
export function localValueOf({ localSlots, nodePort }: Placed): Value | undefined {
  if (localSlots.length === 0) return undefined;
  return { kind: 'local', number: Math.min(localSlots.length, MOST), nodePort };
}

/** A value as the maps hold it. */
export function valueBytes(value: Value): string {
  return hostNumber(encodeValue(value));
}

/** Addresses of which packets to other ports are refused. */
export function clusterIpsOf(port: ServicePort): Address[] {
  const found: Address[] = [];
  for (const { kind, address } of port.frontends) {
    if (kind === 'cluster-ip' && address !== undefined && !found.includes(address)) found.push(address);
  }
  return found;
}

/** Addresses of endpoints that may reach themselves through the service. */
export function hairpinsOf(port: ServicePort): Address[] {
  const found = new Set<Address>();
  for (const endpoint of port.localEndpoints) found.add(addressOf(endpoint));
  return [...found];
}
