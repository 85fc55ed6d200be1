/** What a plugin needs of an address, read straight from the kernel's answer, as link-view.ts does it. Pure. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { ipFromBytes } from '../../../shared/ip/ip.ts';

/** Some of what the kernel tells of an interface's address. */
export interface AddressView {
  /** Index of the interface. */
  readonly index: number;
  readonly address: Cidr;
  /** Bits of IFA_F. */
  readonly flags: number;
}

/** Size of struct ifaddrmsg: family u8, prefix length u8, flags u8, scope u8, index u32 (linux/if_addr.h). */
const headerSize = 8;

/** IFA_* of linux/if_addr.h. With a peer, IPv4's ADDRESS is the peer's and LOCAL the interface's own. */
const attribute = { address: 1, local: 2, flags: 8 } as const;

/** The type of an attribute without its flags, linux/netlink.h. */
const typeMask = 0x3fff;

/** Reads the payload of an RTM_NEWADDR; undefined for one without an address. */
export function viewAddress(payload: Uint8Array): AddressView | undefined {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  let bytes: Uint8Array | undefined;
  let local: Uint8Array | undefined;
  let flags = payload[2] ?? 0;
  for (let at = headerSize; at + 4 <= payload.length; ) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > payload.length) break;
    const type = view.getUint16(at + 2, true) & typeMask;
    if (type === attribute.address) bytes = payload.subarray(at + 4, at + length);
    else if (type === attribute.local) local = payload.subarray(at + 4, at + length);
    else if (type === attribute.flags && length === 8) flags = view.getUint32(at + 4, true);
    at += (length + 3) & ~3;
  }
  const own = local ?? bytes;
  if (own === undefined) return undefined;
  const address = { ip: ipFromBytes(own), prefix: payload[1] ?? 0 };
  return { index: view.getUint32(4, true), address, flags };
}
