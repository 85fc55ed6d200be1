/** Neighbours and forwarding entries: what is missing, wrong or stale on the devices that stay. Pure. */

import { ipEquals } from '../../../shared/ip/ip.ts';
import type { FdbEntry } from '../../../shared/netlink/codec/fdb.ts';
import { type Neighbour, NTF, NUD } from '../../../shared/netlink/codec/neighbour.ts';
import { bytesEqual, macKey } from './bytes.ts';
import type { Change } from './change.ts';
import type { DesiredFdb, DesiredNeighbour, DesiredNetwork } from './desired.ts';
import { ipKey, type Key } from './keys.ts';

/** Changes that add or correct, and changes that remove. */
export interface EntryPlan {
  readonly set: readonly Change[];
  readonly delete: readonly Change[];
}

/**
 * States in which an entry leads packets somewhere. Failed and incomplete ones lead nowhere and pass by themselves;
 * NOARP ones are the kernel's own, for multicast addresses.
 */
const RESOLVED = NUD.PERMANENT | NUD.REACHABLE | NUD.STALE | NUD.DELAY | NUD.PROBE;

/** @param kept the managed devices that stay: index → name */
export function planNeighbours(
  desired: readonly DesiredNeighbour[],
  observed: readonly Neighbour[],
  kept: ReadonlyMap<number, string>,
): EntryPlan {
  // On new devices there is nothing that thousands of entries could be compared with.
  if (kept.size === 0)
    return { set: desired.map((neighbour) => ({ kind: 'set-neighbour', neighbour })), delete: [] };
  const wanted = new ByDevice<Key, DesiredNeighbour>();
  for (const entry of desired) wanted.on(entry.device).set(ipKey(entry.ip), entry);
  const right = new Set<DesiredNeighbour>();
  const stale: Change[] = [];
  for (const neighbour of observed) {
    const device = kept.get(neighbour.index);
    if (device === undefined) continue;
    const want = wanted.on(device).get(ipKey(neighbour.ip));
    if (want) {
      const isRight =
        neighbour.state === NUD.PERMANENT &&
        neighbour.mac !== undefined &&
        bytesEqual(neighbour.mac, want.mac);
      if (isRight) right.add(want);
    } else if ((neighbour.state & RESOLVED) !== 0) {
      stale.push({ kind: 'delete-neighbour', device, neighbour });
    }
  }
  const set: Change[] = [];
  wanted.each((neighbour) => {
    if (!right.has(neighbour)) set.push({ kind: 'set-neighbour', neighbour });
  });
  return { set, delete: stale };
}

/** @param kept the managed devices that stay: index → name */
export function planFdb(
  { fdb: desired, devices }: DesiredNetwork,
  observed: readonly FdbEntry[],
  kept: ReadonlyMap<number, string>,
): EntryPlan {
  if (kept.size === 0) return { set: desired.map((fdb) => ({ kind: 'set-fdb', fdb })), delete: [] };
  const vxlans = new Map(
    devices.flatMap((device) => (device.kind === 'vxlan' ? [[device.name, device.vxlan] as const] : [])),
  );
  const wanted = new ByDevice<number, DesiredFdb>();
  for (const entry of desired) wanted.on(entry.device).set(macKey(entry.mac), entry);
  const right = new Set<DesiredFdb>();
  const stale: Change[] = [];
  for (const fdb of observed) {
    const device = kept.get(fdb.index);
    // Entries of a bridge that the device was put into belong to that bridge.
    if (device === undefined || fdb.master !== undefined || (fdb.flags & NTF.MASTER) !== 0) continue;
    const want = wanted.on(device).get(macKey(fdb.mac));
    if (!want) {
      stale.push({ kind: 'delete-fdb', device, fdb });
      continue;
    }
    const vxlan = vxlans.get(device);
    const isRight =
      (fdb.state & NUD.PERMANENT) !== 0 &&
      fdb.destination !== undefined &&
      ipEquals(fdb.destination, want.destination) &&
      (fdb.port === undefined || fdb.port === vxlan?.port) &&
      (fdb.vni === undefined || fdb.vni === vxlan?.vni) &&
      fdb.via === undefined &&
      fdb.nextHopId === undefined;
    if (isRight) right.add(want);
  }
  const set: Change[] = [];
  wanted.each((fdb) => {
    if (!right.has(fdb)) set.push({ kind: 'set-fdb', fdb });
  });
  return { set, delete: stale };
}

/** Entries by device, then by a key that is cheap to make. */
class ByDevice<K, T> {
  readonly #devices = new Map<string, Map<K, T>>();

  on(device: string): Map<K, T> {
    let entries = this.#devices.get(device);
    if (!entries) {
      entries = new Map();
      this.#devices.set(device, entries);
    }
    return entries;
  }

  each(visit: (entry: T) => void): void {
    for (const entries of this.#devices.values()) for (const entry of entries.values()) visit(entry);
  }
}
