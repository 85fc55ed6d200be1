import type { Random } from '../testing/random.ts';
import { mutateBytes } from './mutate-bytes.ts';

/**
 * One change to a run of netlink attributes after a header of `header` bytes. Most changes keep the lengths right, so
 * that the decoder gets past them: a value altered, an attribute removed, doubled, moved or of another type; the same
 * again inside of nested ones. The rest change bytes blindly.
 */
export function mutateAttributes(bytes: Uint8Array, header: number, random: Random): Uint8Array {
  const attributes = split(bytes.subarray(header));
  if (attributes === undefined || attributes.length === 0 || random.below(12) === 0)
    return mutateBytes(bytes, random);
  if (random.below(10) === 0 && header > 0) {
    return concat([mutateInPlace(bytes.subarray(0, header), random), bytes.subarray(header)]);
  }
  const at = random.below(attributes.length);
  const chosen = attributes[at] as Uint8Array;
  switch (random.below(6)) {
    case 0:
      attributes.splice(at, 1);
      break;
    case 1:
      attributes.splice(random.below(attributes.length), 0, chosen);
      break;
    case 2:
      attributes[at] = withHeader(random.below(64) | (random.below(4) << 14), chosen.subarray(4));
      break;
    default:
      attributes[at] = withHeader(typeOf(chosen), mutatePayload(chosen.subarray(4), random));
  }
  return concat([bytes.subarray(0, header), ...attributes.map(padded)]);
}

function mutatePayload(payload: Uint8Array, random: Random): Uint8Array {
  // What splits into attributes may be a number all the same; then this is as good a change as any.
  if (split(payload)?.length && random.below(4) !== 0) return mutateAttributes(payload, 0, random);
  return random.below(3) === 0 ? mutateBytes(payload, random) : mutateInPlace(payload, random);
}

/** A change that keeps the length. */
function mutateInPlace(bytes: Uint8Array, random: Random): Uint8Array {
  const copy = bytes.slice();
  if (copy.length > 0) copy[random.below(copy.length)] = random.below(256);
  return copy;
}

/** The attributes, headers included, or undefined when these bytes are none. */
function split(bytes: Uint8Array): Uint8Array[] | undefined {
  const found: Uint8Array[] = [];
  let at = 0;
  while (bytes.length - at >= 4) {
    const length = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
    if (length < 4 || length > bytes.length - at) return undefined;
    found.push(bytes.slice(at, at + length));
    at += (length + 3) & ~3;
  }
  return found;
}

function typeOf(attribute: Uint8Array): number {
  return (attribute[2] ?? 0) | ((attribute[3] ?? 0) << 8);
}

function withHeader(type: number, payload: Uint8Array): Uint8Array {
  const length = payload.length + 4;
  return concat([Uint8Array.of(length & 255, length >> 8, type & 255, type >> 8), payload]);
}

function padded(attribute: Uint8Array): Uint8Array {
  const copy = new Uint8Array((attribute.length + 3) & ~3);
  copy.set(attribute);
  return copy;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
