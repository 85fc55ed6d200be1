/**
 * The parts of a concatenated key or value in one: each padded with zeros to four bytes, as they lie in registers.
 * A single part stays as it is.
 */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const first = parts[0];
  if (parts.length === 1 && first !== undefined) return first;
  let size = 0;
  for (const part of parts) size += (part.length + 3) & ~3;
  const key = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    key.set(part, at);
    at += (part.length + 3) & ~3;
  }
  return key;
}
