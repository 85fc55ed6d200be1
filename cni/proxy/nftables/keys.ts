/**
 * Keys and values of the maps as strings whose characters are the bytes, like `Address` and `Endpoint`: each part padded
 * to the four bytes of a register. Pure.
 */

import type { Address, Endpoint } from '../model/endpoint.ts';

/** address . protocol . port. @param protocol IPPROTO_* */
export function frontendKey(address: Address, protocol: number, port: number): string {
  return address + nodePortKey(protocol, port);
}

/** protocol . port */
export function nodePortKey(protocol: number, port: number): string {
  return String.fromCharCode(protocol, 0, 0, 0, port >>> 8, port & 0xff, 0, 0);
}

/** … . slot; the slot is what `numgen` gives, in host order. */
export function slotKey(frontend: string, slot: number): string {
  return frontend + hostNumber(slot);
}

/** address . port */
export function slotValue(endpoint: Endpoint): string {
  return `${endpoint}\0\0`;
}

export function endpointOfSlot(value: string): Endpoint {
  return value.slice(0, -2) as Endpoint;
}

/** Four bytes in host order; every machine that we run on is little-endian. */
export function hostNumber(value: number): string {
  return String.fromCharCode(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
}

export function numberOf(host: string): number {
  return (
    (host.charCodeAt(0) |
      (host.charCodeAt(1) << 8) |
      (host.charCodeAt(2) << 16) |
      (host.charCodeAt(3) << 24)) >>>
    0
  );
}

/** Bytes as such a string. */
export function packed(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 1) text += String.fromCharCode(bytes[at] as number);
  return text;
}
