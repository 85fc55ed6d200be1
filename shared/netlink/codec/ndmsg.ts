import { type ByteWriter, encoded } from './wire.ts';

/* What the messages about neighbours and about forwarding entries share. */

/** Size of struct ndmsg: family u8, pad u8, pad u16, ifindex s32, state u16, flags u8, type u8 (linux/neighbour.h). */
export const NDMSG_SIZE = 12;

/** Attributes of linux/neighbour.h. */
export const NDA = {
  DST: 1,
  LLADDR: 2,
  CACHEINFO: 3,
  PROBES: 4,
  VLAN: 5,
  PORT: 6,
  VNI: 7,
  IFINDEX: 8,
  MASTER: 9,
  SRC_VNI: 11,
  PROTOCOL: 12,
  NH_ID: 13,
} as const;

export function writeNdmsg(
  writer: ByteWriter,
  family: number,
  index: number,
  state: number,
  flags: number,
  type: number,
): void {
  writer.u32(family);
  writer.u32(index);
  writer.u16(state);
  writer.u8(flags);
  writer.u8(type);
}

/** The payload of an RTM_GETNEIGH that lists neighbours or forwarding entries. */
export function encodeNeighbourFilter(
  family: number,
  filter: { readonly index?: number; readonly master?: number },
): Uint8Array {
  return encoded((writer) => {
    // Strict checking wants the header empty and the filters as attributes.
    writeNdmsg(writer, family, 0, 0, 0, 0);
    if (filter.index !== undefined) writer.attrU32(NDA.IFINDEX, filter.index);
    if (filter.master !== undefined) writer.attrU32(NDA.MASTER, filter.master);
  }, undefined);
}
