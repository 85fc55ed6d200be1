/** A 32-bit number as it lies in a register in host byte order; every machine that we run on is little-endian. */
export function hostU32(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
}

/** A port or other 16-bit number in network byte order. */
export function networkU16(value: number): Uint8Array {
  return Uint8Array.of((value >>> 8) & 0xff, value & 0xff);
}

/** An interface name, filled up with zeros to IFNAMSIZ = 16 bytes (linux/if.h). */
export function interfaceName(name: string): Uint8Array {
  const bytes = new Uint8Array(16);
  const encoded = new TextEncoder().encode(name);
  if (encoded.length === 0 || encoded.length > 15)
    throw new RangeError(`not an interface name: ${JSON.stringify(name)}`);
  bytes.set(encoded);
  return bytes;
}
