/** Reads protobuf's wire format (protobuf.dev, "Encoding"). Pure. */

import { WIRE, WireError } from './schema.ts';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Up to this many bytes a loop makes text faster than a decoder does. */
const SHORT_TEXT = 24;

export class Reader {
  readonly #bytes: Uint8Array;
  #at: number;
  #end: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#at = 0;
    this.#end = bytes.length;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  /** A varint, cut to 32 bits. */
  uint32(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte();
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new WireError('a varint is longer than ten bytes');
  }

  int32(): number {
    return this.uint32() | 0;
  }

  uint64(): bigint {
    // Sixteen digits of a double hold most values, and are ten times as fast.
    let low = 0;
    let scale = 1;
    for (let read = 0; read < 7; read++) {
      const byte = this.#byte();
      low += (byte & 0x7f) * scale;
      scale *= 0x80;
      if (byte < 0x80) return BigInt(low);
    }
    let value = BigInt(low);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new WireError('a varint is longer than ten bytes');
  }

  int64(): bigint {
    return BigInt.asIntN(64, this.uint64());
  }

  bool(): boolean {
    return this.uint64() !== 0n;
  }

  float(): number {
    return this.#view(4).getFloat32(0, true);
  }

  double(): number {
    return this.#view(8).getFloat64(0, true);
  }

  /** A view: it keeps the whole message's memory. */
  bytes(): Uint8Array {
    const length = this.uint32();
    const from = this.#at;
    this.#skip(length);
    return this.#bytes.subarray(from, from + length);
  }

  string(): string {
    const bytes = this.bytes();
    if (bytes.length <= SHORT_TEXT) {
      let text = '';
      for (let index = 0; index < bytes.length; index++) {
        const byte = bytes[index] as number;
        if (byte > 0x7f) return decodeText(bytes);
        text += String.fromCharCode(byte);
      }
      return text;
    }
    return decodeText(bytes);
  }

  /** Has `read` see the next message, with its length before it, and nothing else. */
  nested(read: () => void): void {
    const length = this.uint32();
    const end = this.#end;
    if (length > end - this.#at) throw new WireError('it ends in the middle of a field');
    this.#end = this.#at + length;
    read();
    this.#end = end;
  }

  /** Passes over a field that nobody knows. */
  skip(wireType: number): void {
    switch (wireType) {
      case WIRE.VARINT:
        this.uint32();
        break;
      case WIRE.I64:
        this.#skip(8);
        break;
      case WIRE.LEN:
        this.#skip(this.uint32());
        break;
      case WIRE.I32:
        this.#skip(4);
        break;
      default:
        throw new WireError(`wire type ${wireType} does not exist in proto3`);
    }
  }

  #byte(): number {
    if (this.#at >= this.#end) throw new WireError('it ends in the middle of a field');
    return this.#bytes[this.#at++] as number;
  }

  #skip(length: number): void {
    if (length > this.#end - this.#at) throw new WireError('it ends in the middle of a field');
    this.#at += length;
  }

  #view(length: number): DataView {
    const at = this.#at;
    this.#skip(length);
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + at, length);
  }
}

function decodeText(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new WireError('text is not UTF-8', { cause });
  }
}
