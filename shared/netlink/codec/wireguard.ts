import { type Attribute, NLA_F_NESTED, parseAttributes } from './attributes.ts';
import { GENERIC_HEADER, writeGenericHeader } from './generic.ts';
import { text, u16, u32 } from './read.ts';
import { type ByteWriter, encoded } from './wire.ts';
import { readPeer, type WireguardPeer, writePeer } from './wireguard-peer.ts';

/** The family's name and version, its commands, and the flag of a device (linux/wireguard.h). */
export const WG_FAMILY = 'wireguard';
const WG_VERSION = 1;
export const WG_CMD = { GET_DEVICE: 0, SET_DEVICE: 1 } as const;
export const WGDEVICE_F = { REPLACE_PEERS: 1 } as const;

/** A WireGuard device as it is asked for, set or told; the index or the name says which one. */
export interface WireguardDevice {
  readonly index?: number;
  readonly name?: string;
  /** Only ever sent: what the kernel tells of it is not read. All zeros takes the key away. */
  readonly privateKey?: Uint8Array;
  /** That of the private key; only ever told. */
  readonly publicKey?: Uint8Array;
  /** Bits of WGDEVICE_F. */
  readonly flags?: number;
  /** UDP port. */
  readonly listenPort?: number;
  readonly firewallMark?: number;
  readonly peers?: readonly WireguardPeer[];
  readonly unknown?: readonly Attribute[];
}

/** Attributes WGDEVICE_A_* of linux/wireguard.h. */
export const WGDEVICE_A = {
  IFINDEX: 1,
  IFNAME: 2,
  PRIVATE_KEY: 3,
  PUBLIC_KEY: 4,
  FLAGS: 5,
  LISTEN_PORT: 6,
  FWMARK: 7,
  PEERS: 8,
} as const;

/** The payload of a message about a device. */
export function encodeWireguard(command: number, device: WireguardDevice): Uint8Array {
  return encoded(
    (writer, { command: cmd, device: of }) => {
      writeGenericHeader(writer, cmd, WG_VERSION);
      writeDevice(writer, of);
    },
    { command, device },
  );
}

/** In the order in which `wg` sends the attributes. */
function writeDevice(writer: ByteWriter, device: WireguardDevice): void {
  const { index, name, privateKey, publicKey, flags, listenPort, firewallMark, peers, unknown } = device;
  if (index !== undefined) writer.attrU32(WGDEVICE_A.IFINDEX, index);
  if (name !== undefined) writer.attrString(WGDEVICE_A.IFNAME, name);
  if (privateKey !== undefined) writer.attr(WGDEVICE_A.PRIVATE_KEY, privateKey);
  if (publicKey !== undefined) writer.attr(WGDEVICE_A.PUBLIC_KEY, publicKey);
  if (listenPort !== undefined) writer.attrU16(WGDEVICE_A.LISTEN_PORT, listenPort);
  if (firewallMark !== undefined) writer.attrU32(WGDEVICE_A.FWMARK, firewallMark);
  if (flags !== undefined) writer.attrU32(WGDEVICE_A.FLAGS, flags);
  if (peers !== undefined) {
    const list = writer.beginNest(WGDEVICE_A.PEERS | NLA_F_NESTED);
    for (const peer of peers) {
      const start = writer.beginNest(NLA_F_NESTED);
      writePeer(writer, peer);
      writer.endNest(start);
    }
    writer.endNest(list);
  }
  writer.attributes(unknown);
}

/** The payload of a message about a device, its private key left out. @throws DecodeError */
export function decodeWireguard(bytes: Uint8Array): WireguardDevice {
  const device: { -readonly [K in keyof WireguardDevice]: WireguardDevice[K] } = {};
  const unknown: Attribute[] = [];
  for (const attribute of parseAttributes(bytes, GENERIC_HEADER)) {
    const { payload } = attribute;
    switch (attribute.type) {
      case WGDEVICE_A.IFINDEX:
        device.index = u32(payload);
        break;
      case WGDEVICE_A.IFNAME:
        device.name = text(payload);
        break;
      case WGDEVICE_A.PRIVATE_KEY:
        // A copy of the receive buffer, which the next answer overwrites.
        payload.fill(0);
        break;
      case WGDEVICE_A.PUBLIC_KEY:
        device.publicKey = payload;
        break;
      case WGDEVICE_A.FLAGS:
        device.flags = u32(payload);
        break;
      case WGDEVICE_A.LISTEN_PORT:
        device.listenPort = u16(payload);
        break;
      case WGDEVICE_A.FWMARK:
        device.firewallMark = u32(payload);
        break;
      case WGDEVICE_A.PEERS:
        device.peers = parseAttributes(payload).map((peer) => readPeer(peer.payload));
        break;
      default:
        unknown.push(attribute);
    }
  }
  if (unknown.length > 0) device.unknown = unknown;
  return device;
}
