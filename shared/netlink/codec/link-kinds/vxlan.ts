import type { Ip } from '../../../ip/ip.ts';
import type { Attribute } from '../attributes.ts';
import { FieldTable } from '../fields.ts';
import { u16be, u32be } from '../read.ts';
import type { ByteWriter } from '../wire.ts';

/** A VXLAN device. */
export interface VxlanKind {
  readonly kind: 'vxlan';
  /** The VNI, 24 bits. */
  readonly id?: number;
  /** Multicast group or default remote; IPv4 or IPv6. */
  readonly group?: Ip;
  /** Source address of the tunnel; IPv4 or IPv6. */
  readonly local?: Ip;
  /** Index of the underlay device. */
  readonly link?: number;
  /** UDP port. */
  readonly port?: number;
  readonly portRange?: { readonly low: number; readonly high: number };
  readonly learning?: boolean;
  /** 0: inherit. */
  readonly ttl?: number;
  readonly tos?: number;
  /** Seconds. */
  readonly ageing?: number;
  readonly limit?: number;
  readonly proxy?: boolean;
  readonly rsc?: boolean;
  readonly l2miss?: boolean;
  readonly l3miss?: boolean;
  readonly udpChecksum?: boolean;
  readonly udpZeroChecksum6Tx?: boolean;
  readonly udpZeroChecksum6Rx?: boolean;
  readonly collectMetadata?: boolean;
  /** IPv6 flow label. */
  readonly flowLabel?: number;
  /** Group-based policy; can be set at creation only. */
  readonly gbp?: boolean;
  readonly gpe?: boolean;
  readonly ttlInherit?: boolean;
  /** Don't fragment: 0 unset, 1 set, 2 inherit. */
  readonly df?: number;
  readonly unknown?: readonly Attribute[];
}

/** Attributes IFLA_VXLAN_* of linux/if_link.h, in the order in which `ip` sends them. */
const FIELDS: FieldTable<VxlanKind> = new FieldTable<VxlanKind>([
  ['link', 3, 'u32'],
  ['gbp', 23, 'flag'],
  ['gpe', 27, 'flag'],
  ['l2miss', 13, 'bool'],
  ['l3miss', 14, 'bool'],
  ['proxy', 11, 'bool'],
  ['rsc', 12, 'bool'],
  ['udpChecksum', 18, 'bool'],
  ['udpZeroChecksum6Tx', 19, 'bool'],
  ['udpZeroChecksum6Rx', 20, 'bool'],
  ['collectMetadata', 25, 'bool'],
  ['ttl', 5, 'u8'],
  ['ttlInherit', 28, 'flag'],
  ['tos', 6, 'u8'],
  ['df', 29, 'u8'],
  ['ageing', 8, 'u32'],
  ['limit', 9, 'u32'],
  ['id', 1, 'u32'],
  ['group', 2, 'ip4'],
  ['group', 16, 'ip6'],
  ['local', 4, 'ip4'],
  ['local', 17, 'ip6'],
  ['learning', 7, 'bool'],
  ['port', 15, 'u16be'],
]);
const LABEL = 26;
const PORT_RANGE = 10;

/** Writes the options of a VXLAN device, the content of IFLA_INFO_DATA. */
export function writeVxlan(writer: ByteWriter, vxlan: VxlanKind): void {
  FIELDS.write(writer, vxlan);
  if (vxlan.flowLabel !== undefined) writer.attrU32be(LABEL, vxlan.flowLabel);
  if (vxlan.portRange !== undefined) {
    // struct ifla_vxlan_port_range: low and high, both in network order.
    const start = writer.beginNest(PORT_RANGE);
    writer.u16be(vxlan.portRange.low);
    writer.u16be(vxlan.portRange.high);
    writer.endNest(start);
  }
  writer.attributes(vxlan.unknown);
}

/** @throws DecodeError */
export function readVxlan(attributes: readonly Attribute[]): VxlanKind {
  const unknown: Attribute[] = [];
  const vxlan: { -readonly [K in keyof VxlanKind]: VxlanKind[K] } = { kind: 'vxlan' };
  for (const attribute of attributes) {
    const { type, payload } = attribute;
    if (type === LABEL) vxlan.flowLabel = u32be(payload);
    else if (type === PORT_RANGE) vxlan.portRange = { low: u16be(payload), high: u16be(payload, 2) };
    else if (!FIELDS.read(attribute.type, attribute.payload, vxlan)) unknown.push(attribute);
  }
  return unknown.length === 0 ? vxlan : { ...vxlan, unknown };
}
