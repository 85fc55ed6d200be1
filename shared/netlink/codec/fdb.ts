import type { Ip } from '../../ip/ip.ts';
import type { Attribute } from './attributes.ts';
import { AF } from './constants.ts';
import { AttributeCursor } from './cursor.ts';
import { DecodeError } from './decode-error.ts';
import { NDA, NDMSG_SIZE, writeNdmsg } from './ndmsg.ts';
import { NTF, NUD } from './neighbour.ts';
import { u8, u16, u32 } from './read.ts';
import { type ByteWriter, encoded } from './wire.ts';

/** An entry of the forwarding table of a bridge or a VXLAN device. */
export interface FdbEntry {
  /** Index of the bridge port or the VXLAN device. */
  readonly index: number;
  readonly mac: Uint8Array;
  /** VXLAN: the remote tunnel end. */
  readonly destination?: Ip;
  /** VXLAN: its UDP port, if not the device's. */
  readonly port?: number;
  readonly vni?: number;
  /** VXLAN: index of the interface to the remote end. */
  readonly via?: number;
  readonly sourceVni?: number;
  readonly vlan?: number;
  /** Index of the bridge. */
  readonly master?: number;
  /** Bits of NUD. */
  readonly state: number;
  /** Bits of NTF: SELF is the device's own table, MASTER its bridge's. */
  readonly flags: number;
  readonly nextHopId?: number;
  readonly protocol?: number;
  readonly unknown?: readonly Attribute[];
}

/** What a request says about an entry. Left out: flags self, state permanent. */
export type FdbSpec = Pick<FdbEntry, 'index' | 'mac'> & Partial<FdbEntry>;

/** The payload of RTM_NEWNEIGH and RTM_DELNEIGH for a forwarding entry. */
export function encodeFdb(spec: FdbSpec): Uint8Array {
  return encoded(writeFdb, spec);
}

export function writeFdb(writer: ByteWriter, spec: FdbSpec): void {
  const { index, state = NUD.PERMANENT, flags = NTF.SELF } = spec;
  writeNdmsg(writer, AF.BRIDGE, index, state, flags, 0);
  writer.attr(NDA.LLADDR, spec.mac);
  if (spec.destination !== undefined) writer.attrIp(NDA.DST, spec.destination);
  if (spec.vlan !== undefined) writer.attrU16(NDA.VLAN, spec.vlan);
  if (spec.port !== undefined) writer.attrU16be(NDA.PORT, spec.port);
  if (spec.vni !== undefined) writer.attrU32(NDA.VNI, spec.vni);
  if (spec.sourceVni !== undefined) writer.attrU32(NDA.SRC_VNI, spec.sourceVni);
  if (spec.nextHopId !== undefined) writer.attrU32(NDA.NH_ID, spec.nextHopId);
  if (spec.via !== undefined) writer.attrU32(NDA.IFINDEX, spec.via);
  if (spec.master !== undefined) writer.attrU32(NDA.MASTER, spec.master);
  if (spec.protocol !== undefined) writer.attrU8(NDA.PROTOCOL, spec.protocol);
  writer.attributes(spec.unknown);
}

/** @throws DecodeError, also for neighbours of IPv4 and IPv6 */
export function decodeFdb(bytes: Uint8Array): FdbEntry {
  if (u8(bytes) !== AF.BRIDGE) throw new DecodeError(`family ${u8(bytes)} is not that of forwarding entries`);
  let unknown: Attribute[] | undefined;
  const found: { -readonly [K in keyof FdbEntry]?: FdbEntry[K] } = {
    index: u32(bytes, 4),
    state: u16(bytes, 8),
    flags: u8(bytes, 10),
  };
  for (const at = new AttributeCursor(bytes, NDMSG_SIZE); at.next(); ) {
    switch (at.type) {
      case NDA.LLADDR:
        found.mac = at.payload();
        break;
      case NDA.DST:
        found.destination = at.ip();
        break;
      case NDA.VLAN:
        found.vlan = at.u16();
        break;
      case NDA.PORT:
        found.port = at.u16be();
        break;
      case NDA.VNI:
        found.vni = at.u32();
        break;
      case NDA.SRC_VNI:
        found.sourceVni = at.u32();
        break;
      case NDA.NH_ID:
        found.nextHopId = at.u32();
        break;
      case NDA.IFINDEX:
        found.via = at.u32();
        break;
      case NDA.MASTER:
        found.master = at.u32();
        break;
      case NDA.PROTOCOL:
        found.protocol = at.u8();
        break;
      default:
        if (unknown) unknown.push(at.attribute());
        else unknown = [at.attribute()];
    }
  }
  if (found.mac === undefined) throw new DecodeError('a forwarding entry without a MAC address');
  if (unknown) found.unknown = unknown;
  return found as FdbEntry;
}
