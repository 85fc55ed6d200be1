import type { Ip } from '../../ip/ip.ts';
import type { Attribute } from './attributes.ts';
import { familyNumber, ipFamily } from './constants.ts';
import { AttributeCursor } from './cursor.ts';
import { DecodeError } from './decode-error.ts';
import { NDA, NDMSG_SIZE, writeNdmsg } from './ndmsg.ts';
import { u8, u16, u32 } from './read.ts';
import { type ByteWriter, encoded } from './wire.ts';

/** States, linux/neighbour.h. */
export const NUD = {
  NONE: 0x00,
  INCOMPLETE: 0x01,
  REACHABLE: 0x02,
  STALE: 0x04,
  DELAY: 0x08,
  PROBE: 0x10,
  FAILED: 0x20,
  NOARP: 0x40,
  PERMANENT: 0x80,
} as const;
/** Flags, linux/neighbour.h. */
export const NTF = {
  USE: 0x01,
  SELF: 0x02,
  MASTER: 0x04,
  PROXY: 0x08,
  EXT_LEARNED: 0x10,
  OFFLOADED: 0x20,
  STICKY: 0x40,
  ROUTER: 0x80,
} as const;

/** An entry of the ARP or IPv6 neighbour table. */
export interface Neighbour {
  /** Index of the interface. */
  readonly index: number;
  readonly ip: Ip;
  readonly mac?: Uint8Array;
  /** Bits of NUD. */
  readonly state: number;
  /** Bits of NTF. */
  readonly flags: number;
  /** RTN_* of the address. */
  readonly type: number;
  readonly probes?: number;
  readonly protocol?: number;
  readonly unknown?: readonly Attribute[];
}

/** What a request says about a neighbour. Left out: state permanent. */
export type NeighbourSpec = Pick<Neighbour, 'index' | 'ip'> & Partial<Neighbour>;

/** The payload of RTM_NEWNEIGH and RTM_DELNEIGH for a neighbour. */
export function encodeNeighbour(spec: NeighbourSpec): Uint8Array {
  return encoded(writeNeighbour, spec);
}

export function writeNeighbour(writer: ByteWriter, spec: NeighbourSpec): void {
  const { index, flags = 0, state = NUD.PERMANENT, type = 0 } = spec;
  writeNdmsg(writer, familyNumber(spec.ip.family), index, state, flags, type);
  writer.attrIp(NDA.DST, spec.ip);
  if (spec.mac !== undefined) writer.attr(NDA.LLADDR, spec.mac);
  if (spec.probes !== undefined) writer.attrU32(NDA.PROBES, spec.probes);
  if (spec.protocol !== undefined) writer.attrU8(NDA.PROTOCOL, spec.protocol);
  writer.attributes(spec.unknown);
}

/** @throws DecodeError, also for the forwarding entries (family AF_BRIDGE), which `decodeFdb` reads */
export function decodeNeighbour(bytes: Uint8Array): Neighbour {
  const family = ipFamily(u8(bytes));
  let unknown: Attribute[] | undefined;
  const found: { -readonly [K in keyof Neighbour]?: Neighbour[K] } = {
    index: u32(bytes, 4),
    state: u16(bytes, 8),
    flags: u8(bytes, 10),
    type: u8(bytes, 11),
  };
  for (const at = new AttributeCursor(bytes, NDMSG_SIZE); at.next(); ) {
    switch (at.type) {
      case NDA.DST:
        found.ip = at.ip(family);
        break;
      case NDA.LLADDR:
        found.mac = at.payload();
        break;
      case NDA.PROBES:
        found.probes = at.u32();
        break;
      case NDA.PROTOCOL:
        found.protocol = at.u8();
        break;
      default:
        if (unknown) unknown.push(at.attribute());
        else unknown = [at.attribute()];
    }
  }
  if (found.ip === undefined) throw new DecodeError('a neighbour without an address');
  if (unknown) found.unknown = unknown;
  return found as Neighbour;
}
