/** One change to the kernel's network state; a list of them is carried out in order, device changes first. */

import { type Cidr, formatCidr } from '../../../shared/ip/cidr.ts';
import { formatIp } from '../../../shared/ip/ip.ts';
import { formatMac } from '../../../shared/ip/mac.ts';
import type { Address } from '../../../shared/netlink/codec/address.ts';
import type { FdbEntry } from '../../../shared/netlink/codec/fdb.ts';
import type { Neighbour } from '../../../shared/netlink/codec/neighbour.ts';
import type { Route } from '../../../shared/netlink/codec/route.ts';
import type {
  DesiredDevice,
  DesiredFdb,
  DesiredNeighbour,
  DesiredRoute,
  DesiredWireguardPeer,
} from './desired.ts';

/** What may be wrong with a device that can be put right without making it anew. */
export interface DeviceRepair {
  readonly mac?: Uint8Array;
  readonly mtu?: number;
  /** Only ever set up: the agent never sets a device down. */
  readonly up?: true;
  /** Takes it out of the bridge, bond or VRF that it was put into. */
  readonly free?: true;
  /** Sends all options of its kind that can be changed. */
  readonly options?: true;
}

export type Change =
  | { readonly kind: 'delete-device'; readonly name: string; readonly why: string }
  | { readonly kind: 'create-device'; readonly device: DesiredDevice }
  | { readonly kind: 'change-device'; readonly device: DesiredDevice; readonly repair: DeviceRepair }
  | { readonly kind: 'add-address'; readonly device: string; readonly address: Cidr }
  | { readonly kind: 'delete-address'; readonly device: string; readonly address: Address }
  | { readonly kind: 'set-neighbour'; readonly neighbour: DesiredNeighbour }
  | { readonly kind: 'delete-neighbour'; readonly device: string; readonly neighbour: Neighbour }
  | { readonly kind: 'set-fdb'; readonly fdb: DesiredFdb }
  | { readonly kind: 'delete-fdb'; readonly device: string; readonly fdb: FdbEntry }
  | {
      readonly kind: 'set-wireguard-peer';
      readonly peer: DesiredWireguardPeer;
      /** Whether its endpoint is set: one that has roamed is left. */
      readonly endpoint: boolean;
    }
  | { readonly kind: 'delete-wireguard-peer'; readonly device: string; readonly publicKey: Uint8Array }
  | { readonly kind: 'set-route'; readonly route: DesiredRoute }
  | { readonly kind: 'delete-route'; readonly route: Route };

/** A change that the kernel refused. */
export interface ChangeFailure {
  readonly change: Change;
  readonly error: Error;
}

/** What a repair is counted as. */
export type ChangeObject = 'device' | 'address' | 'neighbour' | 'fdb' | 'wireguard-peer' | 'route';

/** The kind of object that a change is about. */
export function objectOf(change: Change): ChangeObject {
  switch (change.kind) {
    case 'delete-device':
    case 'create-device':
    case 'change-device':
      return 'device';
    case 'add-address':
    case 'delete-address':
      return 'address';
    case 'set-neighbour':
    case 'delete-neighbour':
      return 'neighbour';
    case 'set-fdb':
    case 'delete-fdb':
      return 'fdb';
    case 'set-wireguard-peer':
    case 'delete-wireguard-peer':
      return 'wireguard-peer';
    case 'set-route':
    case 'delete-route':
      return 'route';
    default:
      return change satisfies never;
  }
}

/** The object in words: the same for changes that undo each other, different for every object. */
export function describeObject(change: Change): string {
  switch (change.kind) {
    case 'delete-device':
      return `device ${change.name}`;
    case 'create-device':
    case 'change-device':
      return `device ${change.device.name}`;
    case 'add-address':
      return `address ${formatCidr(change.address)} on ${change.device}`;
    case 'delete-address':
      return `address ${formatCidr(change.address.address)} on ${change.device}`;
    case 'set-neighbour':
      return `neighbour ${formatIp(change.neighbour.ip)} on ${change.neighbour.device}`;
    case 'delete-neighbour':
      return `neighbour ${formatIp(change.neighbour.ip)} on ${change.device}`;
    case 'set-fdb':
      return `forwarding entry ${formatMac(change.fdb.mac)} on ${change.fdb.device}`;
    case 'delete-fdb':
      return `forwarding entry ${formatMac(change.fdb.mac)} on ${change.device}`;
    case 'set-wireguard-peer':
      return `peer ${change.peer.publicKey.toBase64()} of ${change.peer.device}`;
    case 'delete-wireguard-peer':
      return `peer ${change.publicKey.toBase64()} of ${change.device}`;
    case 'set-route':
    case 'delete-route':
      return `route ${formatCidr(change.route.destination)}`;
    default:
      return change satisfies never;
  }
}
