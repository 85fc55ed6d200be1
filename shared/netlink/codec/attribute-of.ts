/** A single attribute of a message, without decoding the others. Pure. */

import { u16 } from './read.ts';

/** The payload of the first attribute of a type; what follows a broken one is not looked at. */
export function attributeOf(payload: Uint8Array, start: number, type: number): Uint8Array | undefined {
  for (let at = start; at + 4 <= payload.length; ) {
    const length = u16(payload, at);
    if (length < 4 || at + length > payload.length) return undefined;
    if ((u16(payload, at + 2) & 0x3fff) === type) return payload.subarray(at + 4, at + length);
    at += (length + 3) & ~3;
  }
  return undefined;
}
