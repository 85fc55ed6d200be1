import type { Random } from '../testing/random.ts';
import { mutateBytes } from './mutate-bytes.ts';
import { mutateJson } from './mutate-json.ts';

/**
 * A JSON document as bytes, changed in one to three places, mostly in its values, sometimes in its bytes. `seeds` are
 * valid documents.
 */
export function jsonInput(seeds: readonly unknown[], random: Random): Uint8Array {
  let value = random.pick(seeds);
  for (let count = random.pick([1, 1, 2, 3]); count > 0; count--) value = mutateJson(value, random);
  let bytes = jsonBytes(value);
  if (random.below(8) === 0) bytes = mutateBytes(bytes, random);
  return bytes;
}

/** A document as it is sent. */
export function jsonBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** Bytes as text for a report, with what is no UTF-8 shown as hexadecimal as well. */
export function describeBytes(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes);
  return text.includes('\ufffd') ? `${text} (hex ${bytes.toHex()})` : text;
}
