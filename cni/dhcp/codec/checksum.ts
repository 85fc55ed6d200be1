/** The Internet checksum (RFC 1071). Pure. */

/** The sum of 16-bit words in ones' complement, folded; an odd last byte counts as the high one. */
export function onesSum(bytes: Uint8Array, start: number = 0): number {
  let sum = start;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** The checksum: the complement of the sum. Over bytes that hold their right checksum it is 0. */
export function checksum(bytes: Uint8Array, start: number = 0): number {
  return ~onesSum(bytes, start) & 0xffff;
}
