/**
 * A WireGuard device's messages without what changes by itself, so that two answers can be compared as bytes: that is a
 * hundred times cheaper than to decode a thousand peers. Pure.
 */

import { GENERIC_HEADER } from './generic.ts';
import { u16 } from './read.ts';
import { WGDEVICE_A } from './wireguard.ts';
import { WGPEER_A } from './wireguard-peer.ts';

/** Size of struct nlattr, what attributes are padded to, and the bits of a type that name it (linux/netlink.h). */
const ATTRIBUTE_HEADER = 4;
const ALIGNMENT = 4;
const NLA_TYPE_MASK = 0x3fff;

/** Zeroes the private key in a message about a device, in place. */
export function wipePrivateKey(message: Uint8Array): void {
  eachAttribute(message, GENERIC_HEADER, message.length, (type, from, to) => {
    if (type === WGDEVICE_A.PRIVATE_KEY) message.fill(0, from, to);
  });
}

/** Zeroes handshakes and counters in a message about a device, in place. */
export function keepSteady(message: Uint8Array): void {
  eachAttribute(message, GENERIC_HEADER, message.length, (type, from, to) => {
    if (type === WGDEVICE_A.PEERS)
      eachAttribute(message, from, to, (_, start, end) => {
        eachAttribute(message, start, end, (part, first, last) => {
          if (part === WGPEER_A.LAST_HANDSHAKE || part === WGPEER_A.RX_BYTES || part === WGPEER_A.TX_BYTES)
            message.fill(0, first, last);
        });
      });
  });
}

function eachAttribute(
  bytes: Uint8Array,
  from: number,
  to: number,
  visit: (type: number, from: number, to: number) => void,
): void {
  for (let at = from; at + ATTRIBUTE_HEADER <= to; ) {
    const length = u16(bytes, at);
    // What is cut off is left as it is.
    if (length < ATTRIBUTE_HEADER || at + length > to) return;
    visit(u16(bytes, at + 2) & NLA_TYPE_MASK, at + ATTRIBUTE_HEADER, at + length);
    at += Math.ceil(length / ALIGNMENT) * ALIGNMENT;
  }
}
