import type { Random } from '../testing/random.ts';

/** Bytes that parsers trip over: ends of ranges, quotes, brackets, and what is no UTF-8. */
const interesting = [
  0, 1, 0x0a, 0x20, 0x22, 0x2c, 0x2f, 0x30, 0x5b, 0x5c, 0x5d, 0x7b, 0x7d, 0x7f, 0x80, 0xc0, 0xff,
];

/** The bytes with one change: some flipped, overwritten, removed, doubled or cut off. */
export function mutateBytes(bytes: Uint8Array, random: Random): Uint8Array {
  const copy = bytes.slice();
  if (copy.length === 0) return Uint8Array.of(random.pick(interesting));
  const at = random.below(copy.length);
  const count = 1 + random.below(Math.min(8, copy.length - at));
  switch (random.below(7)) {
    case 0:
      copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
      return copy;
    case 1:
      copy[at] = random.pick(interesting);
      return copy;
    case 2:
      copy[at] = random.below(256);
      return copy;
    case 3:
      return join(copy.subarray(0, at), copy.subarray(at + count));
    case 4:
      return join(copy.subarray(0, at + count), copy.subarray(at));
    case 5:
      return join(copy.subarray(0, at), Uint8Array.of(random.pick(interesting)), copy.subarray(at));
    default:
      return copy.subarray(0, at);
  }
}

function join(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
