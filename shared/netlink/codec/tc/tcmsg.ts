import type { ByteWriter } from '../wire.ts';

/* What the messages about queueing disciplines and about filters share. */

/** Size of struct tcmsg: family u8, pad u8, pad u16, ifindex s32, handle u32, parent u32, info u32 (linux/rtnetlink.h). */
export const TCMSG_SIZE = 20;

/** Attributes TCA_* of linux/rtnetlink.h. */
export const TCA = { KIND: 1, OPTIONS: 2, STATS: 3, XSTATS: 4, STATS2: 7, HW_OFFLOAD: 12 } as const;

/** TC_H_* of linux/pkt_sched.h: parents that are not a queueing discipline. */
export const TC_H = { ROOT: 0xffff_ffff, INGRESS: 0xffff_fff1 } as const;

/** A handle from its two halves, as `tc` writes it: `major:minor`, both in hexadecimal. */
export function tcHandle(major: number, minor: number = 0): number {
  return ((major << 16) | minor) >>> 0;
}

export function writeTcmsg(
  writer: ByteWriter,
  index: number,
  handle: number,
  parent: number,
  info: number,
): void {
  writer.u32(0);
  writer.u32(index);
  writer.u32(handle);
  writer.u32(parent);
  writer.u32(info);
}
