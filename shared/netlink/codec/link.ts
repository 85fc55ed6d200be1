import { type Attribute, NLA_F_NESTED, parseAttributes } from './attributes.ts';
import { type BridgePort, readBridgePort, writeBridgePort } from './bridge-port.ts';
import { type BridgeVlan, readBridgeVlans, writeBridgeVlans } from './bridge-vlan.ts';
import { AF } from './constants.ts';
import { DecodeError } from './decode-error.ts';
import { FieldTable } from './fields.ts';
import { type LinkKind, readLinkInfo, writeLinkInfo } from './link-kind.ts';
import { u8, u16, u32 } from './read.ts';
import { type ByteWriter, encoded } from './wire.ts';

/** Bits of ifi_flags, linux/if.h. */
export const IFF = {
  UP: 0x1,
  BROADCAST: 0x2,
  LOOPBACK: 0x8,
  POINTOPOINT: 0x10,
  RUNNING: 0x40,
  NOARP: 0x80,
  PROMISC: 0x100,
  ALLMULTI: 0x200,
  MASTER: 0x400,
  SLAVE: 0x800,
  MULTICAST: 0x1000,
  LOWER_UP: 0x10000,
  DORMANT: 0x20000,
} as const;

/** A network interface as the kernel tells it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** Bits of IFF. */
  readonly flags: number;
  /** In a request: the bits of `flags` to change; left out, those that are set. To clear one it must be named. */
  readonly changeMask: number;
  /** AF.UNSPEC, or AF.BRIDGE in messages about bridge ports. */
  readonly family: number;
  /** ARPHRD_* of linux/if_arp.h: 1 Ethernet, 772 loopback. */
  readonly hardwareType: number;
  readonly mac?: Uint8Array;
  readonly broadcast?: Uint8Array;
  /** Bytes. */
  readonly mtu?: number;
  /** IFLA_LINK: index of the lower device, or of the other end of a veth pair. */
  readonly parent?: number;
  /** Namespace that `parent` is counted in, when it is another one. */
  readonly parentNetnsId?: number;
  /** Index of the bridge (or bond, VRF) that it is a port of; 0 in a request takes it out. */
  readonly master?: number;
  /** Up to 255 bytes of free text. */
  readonly alias?: string;
  /** Packets. */
  readonly txQueueLength?: number;
  readonly txQueues?: number;
  readonly rxQueues?: number;
  readonly group?: number;
  /** RFC 2863 state: 6 is up, 2 down, 0 unknown. */
  readonly operState?: number;
  /** IFLA_LINKMODE: 0 default, 1 dormant. */
  readonly linkMode?: number;
  readonly carrier?: number;
  readonly promiscuity?: number;
  /** In a request: descriptor of the namespace to create it in or move it to. */
  readonly netnsFd?: number;
  /** In a request: a process of that namespace. */
  readonly netnsPid?: number;
  /** IFLA_EXT_MASK: bits of RTEXT_FILTER, in requests. */
  readonly extMask?: number;
  /** What the interface is: veth, bridge, vxlan, …. */
  readonly kind?: LinkKind;
  /** Its options as a port of a bridge. */
  readonly port?: BridgePort;
  /** Its VLANs as a port of a bridge (family AF.BRIDGE). */
  readonly vlans?: readonly BridgeVlan[];
  /** Attributes beside `vlans` that are not modelled. */
  readonly vlansUnknown?: readonly Attribute[];
  /** Attributes of IFLA_LINKINFO that are not modelled. */
  readonly infoUnknown?: readonly Attribute[];
  readonly unknown?: readonly Attribute[];
}

/** What a request says about a link; every part that is left out stays as it is or takes the kernel's default. */
export type LinkSpec = Partial<Link>;

/** Size of struct ifinfomsg: family u8, pad u8, type u16, index s32, flags u32, change u32 (linux/rtnetlink.h). */
const HEADER = 16;

/** Attributes IFLA_* of linux/if_link.h, in the order in which `ip` sends them. */
const FIELDS: FieldTable<Link> = new FieldTable<Link>([
  ['mtu', 4, 'u32'],
  ['mac', 1, 'bytes'],
  ['broadcast', 2, 'bytes'],
  ['parent', 5, 'u32'],
  ['parentNetnsId', 37, 'u32'],
  ['extMask', 29, 'u32'],
  ['master', 10, 'u32'],
  // Without a NUL byte: IFALIASZ leaves 255 bytes and the kernel would count it.
  ['alias', 20, 'text'],
  ['txQueueLength', 13, 'u32'],
  ['txQueues', 31, 'u32'],
  ['rxQueues', 32, 'u32'],
  ['group', 27, 'u32'],
  ['operState', 16, 'u8'],
  ['linkMode', 17, 'u8'],
  ['carrier', 33, 'u8'],
  ['promiscuity', 30, 'u32'],
  ['netnsPid', 19, 'u32'],
  ['netnsFd', 28, 'u32'],
  ['name', 3, 'string'],
]);
const PROTINFO = 12;
const LINKINFO = 18;
const AF_SPEC = 26;

/** The payload of RTM_NEWLINK, RTM_SETLINK, RTM_DELLINK and RTM_GETLINK. */
export function encodeLink(spec: LinkSpec): Uint8Array {
  return encoded(writeLink, spec);
}

/** Appends a link to a message; also the peer of a veth pair. */
export function writeLink(writer: ByteWriter, spec: LinkSpec): void {
  writer.u8(spec.family ?? AF.UNSPEC);
  writer.u8(0);
  writer.u16(spec.hardwareType ?? 0);
  writer.u32(spec.index ?? 0);
  writer.u32(spec.flags ?? 0);
  writer.u32(spec.changeMask ?? spec.flags ?? 0);
  FIELDS.write(writer, spec);

  const { kind, port, vlans, infoUnknown = [] } = spec;
  const bridge = spec.family === AF.BRIDGE;
  const slave = bridge ? undefined : port;
  if (kind !== undefined || slave !== undefined || infoUnknown.length > 0) {
    const start = writer.beginNest(LINKINFO);
    writeLinkInfo(writer, kind, slave, infoUnknown, writeLink);
    writer.endNest(start);
  }
  if (bridge && port !== undefined) {
    const start = writer.beginNest(PROTINFO | NLA_F_NESTED);
    writeBridgePort(writer, port);
    writer.endNest(start);
  }
  if (bridge && vlans !== undefined) {
    const start = writer.beginNest(AF_SPEC);
    writeBridgeVlans(writer, vlans);
    writer.attributes(spec.vlansUnknown);
    writer.endNest(start);
  }
  writer.attributes(spec.unknown);
}

/**
 * The payload of an RTM_NEWLINK or RTM_DELLINK of the kernel.
 * @throws DecodeError, also when the link has no name
 */
export function decodeLink(bytes: Uint8Array): Link {
  const link = decodeLinkSpec(bytes);
  if (link.name === undefined) throw new DecodeError('a link without a name');
  return link as Link;
}

/** The payload of any link message; the properties of its header are always there. @throws DecodeError */
export function decodeLinkSpec(bytes: Uint8Array): LinkSpec {
  return readLink(bytes, (peer) => readLink(peer, undefined));
}

function readLink(bytes: Uint8Array, readPeer: ((bytes: Uint8Array) => LinkSpec) | undefined): LinkSpec {
  const link: { -readonly [K in keyof Link]?: Link[K] } = {
    family: u8(bytes),
    hardwareType: u16(bytes, 2),
    index: u32(bytes, 4),
    flags: u32(bytes, 8),
    changeMask: u32(bytes, 12),
  };
  const bridge = link.family === AF.BRIDGE;
  const unknown: Attribute[] = [];
  for (const attribute of parseAttributes(bytes, HEADER)) {
    const { type, payload } = attribute;
    if (type === LINKINFO) {
      const info = readLinkInfo(payload, readPeer, !bridge);
      if (info.kind !== undefined) link.kind = info.kind;
      if (info.port !== undefined) link.port = info.port;
      if (info.unknown.length > 0) link.infoUnknown = info.unknown;
    } else if (type === PROTINFO && bridge) {
      link.port = readBridgePort(payload);
    } else if (type === AF_SPEC && bridge) {
      const { vlans, rest } = readBridgeVlans(payload);
      link.vlans = vlans;
      if (rest.length > 0) link.vlansUnknown = rest;
    } else if (!FIELDS.read(attribute.type, attribute.payload, link)) {
      unknown.push(attribute);
    }
  }
  if (unknown.length > 0) link.unknown = unknown;
  return link;
}
