/**
 * The difference between what the kernel holds and what it should hold, as a list of changes. Pure.
 *
 * Level-triggered: nothing is remembered between two runs. Whatever the state, carrying the changes out leads to the
 * desired one, and from there the plan is empty. What is right already is never touched, so a restarted agent adopts
 * the devices and routes that its predecessor, or flanneld, left.
 */

import { cidrEquals } from '../../../shared/ip/cidr.ts';
import { SCOPE } from '../../../shared/netlink/codec/address.ts';
import { IFF, type Link } from '../../../shared/netlink/codec/link.ts';
import { bytesEqual } from './bytes.ts';
import type { Change, DeviceRepair } from './change.ts';
import type { DesiredDevice, DesiredNetwork } from './desired.ts';
import { isAgentsKind, obstacleOf, sameOptions } from './devices/rules.ts';
import { linkNamed, type ObservedNetwork } from './observed.ts';
import { planFdb, planNeighbours } from './plan-entries.ts';
import { planRoutes } from './plan-routes.ts';
import { planWireguardPeers } from './plan-wireguard.ts';

/** The changes that turn `observed` into `desired`, in the order in which the kernel accepts them. */
export function planNetwork(desired: DesiredNetwork, observed: ObservedNetwork): Change[] {
  const devices: Change[] = [];
  const addresses: Change[] = [];
  /** Devices that stay, by index: only what is on them is compared; a new device starts empty. */
  const kept = new Map<number, string>();
  /** Those among them whose neighbours stay as well. */
  const settled = new Map<number, string>();
  const gone = new Set<number>();
  for (const name of desired.retired ?? []) {
    const link = linkNamed(observed, name);
    // Whoever took that name for something else since keeps it.
    if (!link || !isAgentsKind(link)) continue;
    gone.add(link.index);
    devices.push({ kind: 'delete-device', name, why: 'it was made under other settings' });
  }
  for (const link of observed.links) {
    const isElsewhere =
      desired.known?.has(link.index) && !desired.devices.some(({ name }) => name === link.name);
    if (!isElsewhere || gone.has(link.index)) continue;
    // It holds what the new one needs: the kernel has no two tunnels alike.
    gone.add(link.index);
    devices.push({ kind: 'delete-device', name: link.name, why: 'it is ours under another name' });
  }
  for (const device of desired.devices) {
    const link = linkNamed(observed, device.name);
    const obstacle = link && obstacleOf(device, link);
    if (link && obstacle === undefined) {
      kept.set(link.index, device.name);
      const repair = repairOf(device, link, observed);
      if (repair) devices.push({ kind: 'change-device', device, repair });
      // Another MAC makes the kernel forget the device's neighbours (NETDEV_CHANGEADDR in net/ipv4/arp.c).
      if (!repair?.mac) settled.set(link.index, device.name);
    } else {
      if (link) {
        gone.add(link.index);
        devices.push({ kind: 'delete-device', name: device.name, why: obstacle ?? '' });
      }
      devices.push({ kind: 'create-device', device });
    }
    addresses.push(...planAddresses(device, kept.has(link?.index ?? -1) ? link : undefined, observed));
  }
  const neighbours = planNeighbours(desired.neighbours, observed.neighbours, settled);
  const fdb = planFdb(desired, observed.fdb, kept);
  const peers = planWireguardPeers(desired.wireguardPeers, observed.wireguard, kept);
  const routes = planRoutes(desired.routes, observed, kept, gone);
  return [
    ...devices,
    ...addresses,
    ...neighbours.set,
    ...fdb.set,
    ...peers.set,
    ...routes.obstacles,
    ...routes.set,
    ...routes.delete,
    ...peers.delete,
    ...fdb.delete,
    ...neighbours.delete,
  ];
}

function repairOf(device: DesiredDevice, link: Link, observed: ObservedNetwork): DeviceRepair | undefined {
  const mac = device.kind === 'vxlan' && !(link.mac && bytesEqual(link.mac, device.mac));
  const repair: DeviceRepair = {
    ...(sameOptions(device, link, observed) ? {} : { options: true }),
    ...(mac ? { mac: device.mac } : {}),
    ...(link.mtu === device.mtu ? {} : { mtu: device.mtu }),
    ...((link.flags & IFF.UP) !== 0 ? {} : { up: true }),
    // A port of a bridge or a VRF routes nothing in the main table.
    ...(link.master ? { free: true } : {}),
  };
  return Object.keys(repair).length > 0 ? repair : undefined;
}

/** `link` is undefined for a device that will be new. Link-local addresses are the kernel's own business. */
function planAddresses(device: DesiredDevice, link: Link | undefined, observed: ObservedNetwork): Change[] {
  const there =
    link === undefined ? [] : observed.addresses.filter((address) => address.index === link.index);
  const stale = there.filter(
    (address) =>
      address.scope === SCOPE.UNIVERSE &&
      !device.addresses.some((wanted) => cidrEquals(wanted, address.address)),
  );
  const missing = device.addresses.filter(
    (wanted) => !there.some((address) => cidrEquals(wanted, address.address)),
  );
  return [
    // New ones first: IPv4 drops a device's routes together with its last address.
    ...missing.map((address): Change => ({ kind: 'add-address', device: device.name, address })),
    ...stale.map((address): Change => ({ kind: 'delete-address', device: device.name, address })),
  ];
}
