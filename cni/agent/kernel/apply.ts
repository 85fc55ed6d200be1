/**
 * Changes to the network, as netlink requests in two batches: the devices, then what is on them; WireGuard's keys and
 * peers in batches of their own in between.
 */

import type { Ip } from '../../../shared/ip/ip.ts';
import { IFA_F } from '../../../shared/netlink/codec/address.ts';
import { IFF } from '../../../shared/netlink/codec/link.ts';
import { NUD } from '../../../shared/netlink/codec/neighbour.ts';
import { RT_TABLE, RTN, RTNH_F } from '../../../shared/netlink/codec/route.ts';
import { isNetlinkError } from '../../../shared/netlink/error.ts';
import type { NetlinkRequest } from '../../../shared/netlink/requests.ts';
import {
  delAddress,
  delFdb,
  delLink,
  delNeighbour,
  delRoute,
  newLink,
  replaceAddress,
  replaceFdb,
  replaceNeighbour,
  replaceRoute,
  setLink,
} from '../../../shared/netlink/requests.ts';
import type { Rtnetlink } from '../../../shared/netlink/rtnetlink.ts';
import type { Wireguard } from '../../../shared/netlink/wireguard.ts';
import { type Change, type ChangeFailure, objectOf } from '../network/change.ts';
import { type DesiredRoute, metricOf, ROUTE_PROTOCOL } from '../network/desired.ts';
import { changeableKind, newKind } from './device-kinds.ts';
import { applyWireguard } from './wireguard.ts';

/** Is told of changes to what is on devices, which exist by then. */
export interface Announce {
  /** They are about to be made. */
  expect(changes: readonly Change[], indexOf: (device: string) => number | undefined): void;
  /** They were not: they failed, or there was nothing to delete. */
  forget(changes: readonly Change[], indexOf: (device: string) => number | undefined): void;
}

/** Carries changes out; see Kernel.apply. */
export function applyChanges(
  rtnetlink: Rtnetlink,
  wireguard: Wireguard,
  changes: readonly Change[],
  links: ReadonlyMap<string, number> | undefined,
  announce: Announce,
): ChangeFailure[] {
  const devices = changes.filter((change) => objectOf(change) === 'device');
  const peers = changes.filter((change) => objectOf(change) === 'wireguard-peer');
  const others = changes.filter((change) => !['device', 'wireguard-peer'].includes(objectOf(change)));
  const { failures } = send(rtnetlink, devices, () => undefined);
  replaceUnchangeable(rtnetlink, failures);
  failures.push(...applyWireguard(wireguard, devices), ...applyWireguard(wireguard, peers));
  if (others.length === 0) return failures;
  const indexOf = byName(rtnetlink, links);
  announce.expect(others, indexOf);
  let unmade = others;
  try {
    const sent = send(rtnetlink, others, indexOf);
    failures.push(...sent.failures);
    unmade = sent.unmade;
  } finally {
    announce.forget(unmade, indexOf);
  }
  return failures;
}

/** Looks up an index once a name: a node has a link for every pod, and a change names one or two. */
function byName(
  rtnetlink: Rtnetlink,
  links: ReadonlyMap<string, number> | undefined,
): (device: string) => number | undefined {
  const known = new Map<string, number | undefined>(links);
  return (device) => {
    if (!known.has(device)) known.set(device, rtnetlink.linkByName(device)?.index);
    return known.get(device);
  };
}

interface Sent {
  readonly failures: ChangeFailure[];
  /** Of which nobody will hear: those that failed, and those that had nothing to do. */
  readonly unmade: Change[];
}

function send(
  rtnetlink: Rtnetlink,
  changes: readonly Change[],
  indexOf: (device: string) => number | undefined,
): Sent {
  const failures: ChangeFailure[] = [];
  const sent: Change[] = [];
  const requests: NetlinkRequest[] = [];
  for (const change of changes) {
    // The kernel takes no MTU together with options of VXLAN (vxlan_nl2conf: "Cannot change mtu").
    const kind =
      change.kind === 'change-device' && change.repair.options ? changeableKind(change.device) : undefined;
    if (change.kind === 'change-device' && kind) {
      sent.push(change);
      requests.push(setLink({ name: change.device.name, kind }));
    }
    const request = requestFor(change, indexOf);
    if (request === 'elsewhere') continue;
    if (request) {
      sent.push(change);
      requests.push(request);
    } else {
      failures.push({ change, error: new Error('its device does not exist') });
    }
  }
  const unmade = failures.map(({ change }) => change);
  for (const [index, { error }] of rtnetlink.socket.transact(requests).entries()) {
    const change = sent[index];
    if (!error || !change) continue;
    unmade.push(change);
    if (!isGoneAlready(change, error)) failures.push({ change, error });
  }
  return { failures, unmade };
}

/**
 * A device whose options this kernel does not change has to be made anew: it is deleted here, and the failure that
 * the caller gets to see has it look again and find it missing.
 */
function replaceUnchangeable(rtnetlink: Rtnetlink, failures: readonly ChangeFailure[]): void {
  for (const { change } of failures) {
    if (change.kind !== 'change-device' || !change.repair.options) continue;
    if (!changeableKind(change.device)) continue;
    rtnetlink.socket.transact([delLink({ name: change.device.name })]);
  }
}

/** What was to be deleted is not there: somebody, or the kernel after an earlier change, was faster. */
function isGoneAlready(change: Change, error: Error): boolean {
  return (
    change.kind.startsWith('delete-') && isNetlinkError(error, 'ENOENT', 'ESRCH', 'ENODEV', 'EADDRNOTAVAIL')
  );
}

function requestFor(
  change: Change,
  indexOf: (device: string) => number | undefined,
): NetlinkRequest | 'elsewhere' | undefined {
  const on = (device: string, make: (index: number) => NetlinkRequest): NetlinkRequest | undefined => {
    const index = indexOf(device);
    return index === undefined ? undefined : make(index);
  };
  switch (change.kind) {
    case 'delete-device':
      return delLink({ name: change.name });
    case 'create-device': {
      const { device } = change;
      const { name, mtu } = device;
      const mac = device.kind === 'vxlan' ? { mac: device.mac } : {};
      return newLink({ name, ...mac, mtu, kind: newKind(device), flags: IFF.UP, changeMask: IFF.UP });
    }
    case 'change-device': {
      const { device, repair } = change;
      const { mac, mtu, up, free } = repair;
      if (mac === undefined && mtu === undefined && !up && !free) return 'elsewhere';
      return setLink({
        name: device.name,
        ...(mac && { mac }),
        ...(mtu !== undefined && { mtu }),
        ...(up && { flags: IFF.UP, changeMask: IFF.UP }),
        ...(free && { master: 0 }),
      });
    }
    case 'add-address':
      // Nobody else can have it, and duplicate detection over a tunnel without multicast could not tell.
      return on(change.device, (index) =>
        replaceAddress({ index, address: change.address, flags: IFA_F.NODAD }),
      );
    case 'delete-address':
      return delAddress(change.address);
    case 'set-neighbour': {
      const { device, ip, mac } = change.neighbour;
      return on(device, (index) => replaceNeighbour({ index, ip, mac, state: NUD.PERMANENT }));
    }
    case 'delete-neighbour': {
      const { index, ip } = change.neighbour;
      return delNeighbour({ index, ip });
    }
    case 'set-fdb': {
      const { device, mac, destination } = change.fdb;
      return on(device, (index) => replaceFdb({ index, mac, destination }));
    }
    case 'delete-fdb': {
      const { unknown: _, ...fdb } = change.fdb;
      return delFdb(fdb);
    }
    case 'set-wireguard-peer':
    case 'delete-wireguard-peer':
      return 'elsewhere';
    case 'set-route':
      return routeRequest(change.route, indexOf);
    case 'delete-route': {
      const { destination, table, protocol, type, tos, priority, gateway, oif } = change.route;
      return delRoute({
        destination,
        table,
        protocol,
        type,
        tos,
        ...(priority !== undefined && { priority }),
        ...(gateway && { gateway }),
        ...(oif !== undefined && { oif }),
      });
    }
    default:
      return change satisfies never;
  }
}

function routeRequest(
  route: DesiredRoute,
  indexOf: (device: string) => number | undefined,
): NetlinkRequest | undefined {
  const { destination, gateway, device, onlink } = route;
  const metric = metricOf(route);
  const common = {
    destination,
    table: RT_TABLE.MAIN,
    protocol: ROUTE_PROTOCOL,
    ...(metric !== 0 && { priority: metric }),
  };
  if (device === undefined) return replaceRoute({ ...common, type: RTN.BLACKHOLE });
  const oif = indexOf(device);
  if (oif === undefined) return undefined;
  return replaceRoute({ ...common, oif, ...gatewayPart(gateway), flags: onlink ? RTNH_F.ONLINK : 0 });
}

function gatewayPart(gateway: Ip | undefined): { gateway?: Ip } {
  return gateway ? { gateway } : {};
}
