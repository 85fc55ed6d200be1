/**
 * What a plugin needs of a link, read straight from the kernel's answer. Pure.
 *
 * The codec (shared/netlink/codec/link.ts) takes all of a link's sixty attributes apart. In a process that lives five
 * milliseconds nothing is ever compiled, so that costs 0.1 ms a link; here only the few are looked at.
 */

/** Some of what the kernel tells of a link. */
export interface LinkView {
  readonly index: number;
  /** Bits of IFF. */
  readonly flags: number;
  readonly name: string;
  /** 'bridge', 'veth'; '' where the link has no kind, as physical ones. */
  readonly kind: string;
  readonly alias: string;
  readonly mac: Uint8Array | undefined;
  /** Bytes. */
  readonly mtu: number;
  /** Packets. */
  readonly txQueueLength: number;
  /** Index of the bridge that it is a port of. */
  readonly master: number | undefined;
  /** Of a veth: index of the other end, in that one's namespace. */
  readonly peer: number | undefined;
  /** RFC 2863 state. */
  readonly operState: number;
}

/** Size of struct ifinfomsg: family u8, pad u8, type u16, index s32, flags u32, change u32 (linux/rtnetlink.h). */
const headerSize = 16;

/** IFLA_* and IFLA_INFO_KIND of linux/if_link.h. */
const attribute = {
  address: 1,
  ifname: 3,
  mtu: 4,
  link: 5,
  master: 10,
  txQueueLength: 13,
  operstate: 16,
  linkinfo: 18,
  ifalias: 20,
  infoKind: 1,
} as const;

/** The type of an attribute without its flags, linux/netlink.h. */
const typeMask = 0x3fff;

/** Reads the payload of an RTM_NEWLINK. */
export function viewLink(payload: Uint8Array): LinkView {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  let name = '';
  let kind = '';
  let alias = '';
  let mac: Uint8Array | undefined;
  let mtu = 0;
  let txQueueLength = 0;
  let master: number | undefined;
  let peer: number | undefined;
  let operState = 0;
  for (let at = headerSize; at + 4 <= payload.length; ) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > payload.length) break;
    switch (view.getUint16(at + 2, true) & typeMask) {
      case attribute.address:
        mac = payload.slice(at + 4, at + length);
        break;
      case attribute.ifname:
        name = readText(payload, at + 4, at + length);
        break;
      case attribute.mtu:
        mtu = readU32(view, at, length) ?? 0;
        break;
      case attribute.txQueueLength:
        txQueueLength = readU32(view, at, length) ?? 0;
        break;
      case attribute.link:
        peer = readU32(view, at, length);
        break;
      case attribute.master:
        master = readU32(view, at, length);
        break;
      case attribute.operstate:
        operState = payload[at + 4] ?? 0;
        break;
      case attribute.ifalias:
        alias = readText(payload, at + 4, at + length);
        break;
      case attribute.linkinfo:
        kind = readKind(payload.subarray(at + 4, at + length));
        break;
    }
    at += (length + 3) & ~3;
  }
  return {
    index: view.getInt32(4, true),
    flags: view.getUint32(8, true),
    name,
    kind,
    alias,
    mac,
    mtu,
    txQueueLength,
    master,
    peer,
    operState,
  };
}

/** IFLA_INFO_KIND, which the kernel writes first. */
function readKind(info: Uint8Array): string {
  const length = (info[0] ?? 0) | ((info[1] ?? 0) << 8);
  return length > 4 && length <= info.length && info[2] === attribute.infoKind
    ? readText(info, 4, length)
    : '';
}

function readU32(view: DataView, at: number, length: number): number | undefined {
  return length === 8 ? view.getUint32(at + 4, true) : undefined;
}

function readText(payload: Uint8Array, from: number, to: number): string {
  // The closing NUL byte is counted.
  const end = payload[to - 1] === 0 ? to - 1 : to;
  return new TextDecoder().decode(payload.subarray(from, end));
}
