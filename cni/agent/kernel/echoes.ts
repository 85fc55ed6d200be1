/**
 * The kernel's events about our own changes. Most carry our port number; those of a forwarding entry, and of a neighbour
 * that is deleted, carry none (vxlan_fdb_notify, drivers/net/vxlan; neigh_cleanup_and_release, net/core/neighbour.c). They
 * are known by what they say: the state that was just asked for, so that nothing is missed when one like it is somebody
 * else's. Pure, given the time.
 */

import { ipToBytes } from '../../../shared/ip/ip.ts';
import { AF, RTM } from '../../../shared/netlink/codec/constants.ts';
import type { NlMessage } from '../../../shared/netlink/codec/message.ts';
import { NDA } from '../../../shared/netlink/codec/ndmsg.ts';
import { i32, u8 } from '../../../shared/netlink/codec/read.ts';
import type { Change } from '../network/change.ts';
import { attributeOf } from './attribute-of.ts';

/** Events are queued before the change is answered; who is busy for longer than this (ms) looks at everything. */
const LIFETIME = 5000;
/** sizeof(struct ndmsg) */
const NDMSG_SIZE = 12;

export class Echoes {
  #expected = new Set<string>();
  #until = 0;

  /** These changes are about to be made. @param now monotonic ms */
  expect(changes: readonly Change[], indexOf: (device: string) => number | undefined, now: number): void {
    if (now > this.#until) this.#expected = new Set();
    for (const change of changes) {
      const key = keyOfChange(change, indexOf);
      if (key === undefined) continue;
      this.#expected.add(key);
      this.#until = now + LIFETIME;
    }
  }

  /** True for an event that only tells of what was expected. */
  isEcho(message: NlMessage, now: number): boolean {
    if (this.#expected.size === 0) return false;
    if (now > this.#until) {
      this.#expected = new Set();
      return false;
    }
    const key = keyOfEvent(message);
    return key !== undefined && this.#expected.has(key);
  }
}

function keyOfChange(change: Change, indexOf: (device: string) => number | undefined): string | undefined {
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
