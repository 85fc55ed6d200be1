/** True if both hold the same bytes. */
export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}

/** A six-byte address as a number, for use as a key: cheaper than text with a thousand peers. */
export function macKey(mac: Uint8Array): number {
  let key = 0;
  for (const byte of mac) key = key * 256 + byte;
  return key;
}
