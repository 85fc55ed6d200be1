/** Which parts of the agent's work an event of the kernel may have undone. Pure. */

import { type Cidr, contains } from '../../../shared/ip/cidr.ts';
import type { KernelEvent } from '../kernel/event.ts';
import { ROUTE_PROTOCOL } from '../network/desired.ts';

/** The parts, in the order in which they are worked on. */
export const PARTS = [
  'underlay',
  'network',
  // The entries of peers that joined, left or changed; 'network' is a look at everything.
  'peers',
  'rules',
  'forward',
  'former-rules',
  'sysctl',
  'subnet-file',
] as const;
export type Part = (typeof PARTS)[number];

/** What the agent has in the kernel at the moment. */
export interface Interests {
  /** Indexes of the interfaces towards the other nodes; empty until they are chosen. */
  readonly underlays: readonly number[];
  /** The backend's devices. */
  readonly deviceNames: readonly string[];
  readonly deviceIndexes: ReadonlySet<number>;
  readonly clusterNetworks: readonly Cidr[];
  /** True if the agent's own rules may differ. */
  readonly ownRule: (event: KernelEvent) => boolean;
  /** True if a rule of somebody else's chain matters. */
  readonly foreignRule: (event: KernelEvent) => boolean;
}

const NONE: readonly Part[] = [];

/** The parts to look at. */
export function dirtyParts(event: KernelEvent, interests: Interests): readonly Part[] {
  const { underlays, deviceIndexes, deviceNames } = interests;
  // Until the underlay is chosen, any new interface, address or default route may be it.
  const waiting = underlays.length === 0;
  switch (event.kind) {
    case 'link':
      if (deviceIndexes.has(event.index) || deviceNames.includes(event.name)) return ['network', 'sysctl'];
      return waiting || underlays.includes(event.index) ? ['underlay', 'network'] : NONE;
    case 'address':
      // Whoever switches IPv6 off on a device takes its addresses: the only event of that.
      if (deviceIndexes.has(event.index)) return ['network', 'sysctl'];
      return waiting || underlays.includes(event.index) ? ['underlay', 'network'] : NONE;
    case 'neighbour':
      return deviceIndexes.has(event.index) ? ['network'] : NONE;
    case 'route': {
      const isDefault = event.destination.prefix === 0;
      if (waiting && isDefault) return ['underlay'];
      const concerns =
        event.protocol === ROUTE_PROTOCOL ||
        deviceIndexes.has(event.device) ||
        interests.clusterNetworks.some((network) => contains(network, event.destination.ip));
      return concerns ? ['network'] : NONE;
    }
    case 'nftables':
      if (interests.ownRule(event)) return interests.foreignRule(event) ? ['rules', 'forward'] : ['rules'];
      return interests.foreignRule(event) ? ['forward'] : NONE;
    case 'forwarding':
      // Every interface that a pod gets tells of itself.
      return event.index === -1 || deviceIndexes.has(event.index) || underlays.includes(event.index)
        ? ['sysctl']
        : NONE;
    case 'overrun':
    case 'deaf':
      return PARTS;
    default:
      return event satisfies never;
  }
}
