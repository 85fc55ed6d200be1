/** Reads protobuf's wire format (protobuf.dev, "Encoding"). Pure. */

import { WIRE, WireError } from './schema.ts';

export class Reader {
  readonly #bytes: Buffer;
  #at: number;
  #end: number;

  constructor(bytes: Uint8Array) {
    // A view; of it text can be had without a further one.
    this.#bytes = Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
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
    return this.#varint(false);
  }

  int64(): bigint {
    return this.#varint(true);
  }

  #varint(signed: boolean): bigint {
    // What a double holds exactly is read ten times as fast.
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
      if (byte < 0x80) return signed ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value);
    }
    throw new WireError('a varint is longer than ten bytes');
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
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + from, length);
  }

  /** What is not UTF-8 in it becomes U+FFFD: one odd value must not cost a list of thousands. */
  string(): string {
    const length = this.uint32();
    const from = this.#at;
    this.#skip(length);
    return this.#bytes.toString('utf8', from, from + length);
  }

  /**
   * Narrows the reader to the next message, which has its length before it.
   *
   * @returns what `leave` needs to go on behind it; a pair without callbacks, since lists have thousands of messages
   */
  enter(): number {
    const length = this.uint32();
    const end = this.#end;
    if (length > end - this.#at) throw new WireError('it ends in the middle of a field');
    this.#end = this.#at + length;
    return end;
  }

  leave(end: number): void {
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
