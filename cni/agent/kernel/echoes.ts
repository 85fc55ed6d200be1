/**
 * The kernel's events about our own changes. Most carry our port number; those of a forwarding entry, and of a neighbour
 * that is deleted, carry none (vxlan_fdb_notify, drivers/net/vxlan; neigh_cleanup_and_release, net/core/neighbour.c). They
 * are known by what they say: the state that was just asked for, so that nothing is missed when one like it is somebody
 * else's. Pure, given the time.
 */

import { ipToBytes } from '../../../shared/ip/ip.ts';
import { attributeOf } from '../../../shared/netlink/codec/attribute-of.ts';
import { AF, RTM } from '../../../shared/netlink/codec/constants.ts';
import type { NlMessage } from '../../../shared/netlink/codec/message.ts';
import { NDA } from '../../../shared/netlink/codec/ndmsg.ts';
import { i32, u8 } from '../../../shared/netlink/codec/read.ts';
import type { Change } from '../network/change.ts';

/** Events are queued before the change is answered; who is busy for longer than this (ms) looks at everything. */
const LIFETIME = 5000;
/** sizeof(struct ndmsg) */
const NDMSG_SIZE = 12;

/** The index of a device, by its name. */
type IndexOf = (device: string) => number | undefined;

/** Until when it is expected (monotonic ms), and how often. */
interface Expected {
  readonly until: number;
  readonly times: number;
}

export class Echoes {
  /** The oldest first. */
  readonly #expected = new Map<string, Expected>();

  /** These changes are about to be made. @param now monotonic ms */
  expect(changes: readonly Change[], indexOf: IndexOf, now: number): void {
    this.#forgetOld(now);
    for (const change of changes) {
      const key = keyOfChange(change, indexOf);
      if (key === undefined) continue;
      const times = (this.#expected.get(key)?.times ?? 0) + 1;
      // Moved to the end.
      this.#expected.delete(key);
      this.#expected.set(key, { until: now + LIFETIME, times });
    }
  }

  /** These changes were not made after all: there will be no event, or one of somebody else's. */
  forget(changes: readonly Change[], indexOf: IndexOf): void {
    for (const change of changes) {
      const key = keyOfChange(change, indexOf);
      if (key !== undefined) this.#once(key);
    }
  }

  /** Events were lost: those that were expected may be among them. */
  clear(): void {
    this.#expected.clear();
  }

  /**
   * True for an event that only tells of what was expected. Of deletions each of ours has one: an entry that was set
   * again since may have been deleted by somebody else. That a set one is as we want it, is good news however often.
   */
  isEcho(message: NlMessage, now: number): boolean {
    this.#forgetOld(now);
    if (this.#expected.size === 0) return false;
    const key = keyOfEvent(message);
    if (key === undefined || !this.#expected.has(key)) return false;
    if (message.type === RTM.DELNEIGH) this.#once(key);
    return true;
  }

  /** One less is expected. */
  #once(key: string): void {
    const expected = this.#expected.get(key);
    if (expected === undefined) return;
    if (expected.times === 1) this.#expected.delete(key);
    else this.#expected.set(key, { ...expected, times: expected.times - 1 });
  }

  #forgetOld(now: number): void {
    for (const [key, { until }] of this.#expected) {
      if (until >= now) return;
      this.#expected.delete(key);
    }
  }
}

function keyOfChange(change: Change, indexOf: IndexOf): string | undefined {
  switch (change.kind) {
    case 'set-fdb': {
      const { device, mac, destination } = change.fdb;
      return `+${indexOf(device)} ${mac.toHex()} ${ipToBytes(destination).toHex()}`;
    }
    case 'delete-fdb':
      return `-${change.fdb.index} ${change.fdb.mac.toHex()}`;
    case 'delete-neighbour':
      return `-${change.neighbour.index} ${ipToBytes(change.neighbour.ip).toHex()}`;
    default:
      return undefined;
  }
}

function keyOfEvent({ type, payload }: NlMessage): string | undefined {
  if (type !== RTM.NEWNEIGH && type !== RTM.DELNEIGH) return undefined;
  const index = i32(payload, 4);
  const isFdb = u8(payload) === AF.BRIDGE;
  const destination = attributeOf(payload, NDMSG_SIZE, NDA.DST)?.toHex();
  const mac = attributeOf(payload, NDMSG_SIZE, NDA.LLADDR)?.toHex();
  if (type === RTM.DELNEIGH) return `-${index} ${isFdb ? mac : destination}`;
  return isFdb ? `+${index} ${mac} ${destination}` : undefined;
}
