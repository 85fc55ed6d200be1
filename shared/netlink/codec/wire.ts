import type { Ip } from '../../ip/ip.ts';
import { type Attribute, NLA_F_NESTED, NLA_F_NET_BYTEORDER } from './attributes.ts';

/** Netlink pads messages and attributes to this many bytes (NLMSG_ALIGNTO and NLA_ALIGNTO, linux/netlink.h). */
const ALIGNMENT = 4;
/** The longest attribute, header included: nla_len is a u16 (linux/netlink.h). */
const MAX_ATTRIBUTE = 0xffff;

/**
 * A growable buffer that netlink structures are written to, in the byte order of the host (both architectures that are
 * built, amd64 and arm64, are little-endian) or, by the methods named `…be`, in network order.
 *
 * It is made to be reused: `reset()` keeps the memory, and no method allocates unless the buffer has to grow.
 */
export class ByteWriter {
  #buffer: Uint8Array;
  #length = 0;

  constructor(capacity: number = 256) {
    this.#buffer = new Uint8Array(capacity);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** Forgets what was written and keeps the memory; `length` is where to fall back to. */
  reset(length: number = 0): void {
    if (length > this.#length)
      throw new RangeError(`cannot reset to ${length}, only ${this.#length} bytes written`);
    this.#length = length;
  }

  /** What was written, as a view that the next write may change. */
  view(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** A copy of what was written. */
  toBytes(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }

  u8(value: number): void {
    this.reserve(1);
    this.#buffer[this.#length++] = value;
  }

  u16(value: number): void {
    this.reserve(2);
    this.#put16(value);
  }

  u32(value: number): void {
    this.reserve(4);
    this.#put32(value);
  }

  u64(value: bigint): void {
    this.reserve(8);
    this.#put32(Number(value & 0xffff_ffffn));
    this.#put32(Number((value >> 32n) & 0xffff_ffffn));
  }

  u16be(value: number): void {
    this.reserve(2);
    this.#put16be(value);
  }

  u32be(value: number): void {
    this.reserve(4);
    this.#put32be(value);
  }

  u64be(value: bigint): void {
    this.reserve(8);
    this.#put32be(Number((value >> 32n) & 0xffff_ffffn));
    this.#put32be(Number(value & 0xffff_ffffn));
  }

  bytes(value: Uint8Array): void {
    this.reserve(value.length);
    this.#putBytes(value);
  }

  zeros(count: number): void {
    this.reserve(count);
    this.#buffer.fill(0, this.#length, this.#length + count);
    this.#length += count;
  }

  /** Fills up to the next multiple of four bytes. */
  align(): void {
    this.reserve(ALIGNMENT - 1);
    this.#pad();
  }

  /** Overwrites four bytes that were written before. */
  patchU32(at: number, value: number): void {
    if (at + 4 > this.#length) throw new RangeError(`no four bytes at ${at} of ${this.#length}`);
    const end = this.#length;
    this.#length = at;
    this.#put32(value);
    this.#length = end;
  }

  /** An address of four or sixteen bytes in network order, without any header. */
  ip(ip: Ip): void {
    if (ip.family === 4) {
      this.u32be(Number(ip.value));
      return;
    }
    this.u64be(ip.value >> 64n);
    this.u64be(ip.value & 0xffff_ffff_ffff_ffffn);
  }

  attr(type: number, payload: Uint8Array): void {
    this.#header(type, payload.length);
    this.#putBytes(payload);
    this.#pad();
  }

  /** An attribute of `length` bytes of `source` from `from` on; without a view of them, of which there may be many. */
  attrFrom(type: number, source: Uint8Array, from: number, length: number): void {
    this.#header(type, length);
    for (let at = from; at < from + length; at += 1) this.#buffer[this.#length++] = source[at] as number;
    this.#pad();
  }

  /** An attribute whose presence is its value. */
  attrFlag(type: number): void {
    this.#header(type, 0);
  }

  attrU8(type: number, value: number): void {
    this.#header(type, 1);
    this.#buffer[this.#length++] = value;
    this.#pad();
  }

  attrU16(type: number, value: number): void {
    this.#header(type, 2);
    this.#put16(value);
    this.#pad();
  }

  attrU32(type: number, value: number): void {
    this.#header(type, 4);
    this.#put32(value);
  }

  attrU64(type: number, value: bigint): void {
    this.#header(type, 8);
    this.u64(value);
  }

  attrU16be(type: number, value: number): void {
    this.#header(type, 2);
    this.#put16be(value);
    this.#pad();
  }

  attrU32be(type: number, value: number): void {
    this.#header(type, 4);
    this.#put32be(value);
  }

  attrU64be(type: number, value: bigint): void {
    this.#header(type, 8);
    this.u64be(value);
  }

  /** Text in UTF-8 with a closing NUL byte. */
  attrString(type: number, text: string): void {
    this.#attrText(type, text, '\0');
  }

  /** Text in UTF-8 without a closing NUL byte, for values whose longest form leaves no room for one. */
  attrText(type: number, text: string): void {
    this.#attrText(type, text, '');
  }

  #attrText(type: number, text: string, end: '' | '\0'): void {
    if (text.includes('\0')) throw new RangeError('text in a netlink attribute cannot hold a NUL character');
    const start = this.#length;
    this.#header(type, text.length + end.length);
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) {
        this.#length = start;
        this.attr(type, new TextEncoder().encode(text + end));
        return;
      }
      this.#buffer[this.#length++] = code;
    }
    if (end !== '') this.#buffer[this.#length++] = 0;
    this.#pad();
  }

  attrIp(type: number, ip: Ip): void {
    this.#header(type, ip.family === 4 ? 4 : 16);
    this.ip(ip);
  }

  /** An attribute as a decoder kept it, its flag bits included. */
  attribute(attribute: Attribute): void {
    const flags = (attribute.nested ? NLA_F_NESTED : 0) | (attribute.networkOrder ? NLA_F_NET_BYTEORDER : 0);
    this.attr(attribute.type | flags, attribute.payload);
  }

  attributes(attributes: readonly Attribute[] | undefined): void {
    if (attributes === undefined) return;
    for (const attribute of attributes) this.attribute(attribute);
  }

  /**
   * Starts an attribute that holds others and returns what `endNest` wants. NLA_F_NESTED is set only where `type`
   * carries it: some of the kernel's older families refuse the bit, the newer ones ask for it.
   */
  beginNest(type: number): number {
    const start = this.#length;
    this.#header(type, 0);
    return start;
  }

  endNest(start: number): void {
    const size = this.#length - start;
    if (size > MAX_ATTRIBUTE)
      throw new RangeError(`a nested attribute of ${size} bytes exceeds ${MAX_ATTRIBUTE}`);
    this.#buffer[start] = size;
    this.#buffer[start + 1] = size >>> 8;
  }

  /** A nested attribute filled by `fill`, which writes to this same writer. */
  nest(type: number, fill: () => void): void {
    const start = this.beginNest(type);
    fill();
    this.endNest(start);
  }

  #header(type: number, payload: number): void {
    const size = payload + 4;
    if (size > MAX_ATTRIBUTE) throw new RangeError(`an attribute of ${size} bytes exceeds ${MAX_ATTRIBUTE}`);
    this.reserve(size + ALIGNMENT - 1);
    // struct nlattr: nla_len u16, nla_type u16.
    this.#put32(size | (type << 16));
  }

  #pad(): void {
    while (this.#length % ALIGNMENT !== 0) this.#buffer[this.#length++] = 0;
  }

  #putBytes(value: Uint8Array): void {
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
  }

  #put16(value: number): void {
    this.#buffer[this.#length++] = value;
    this.#buffer[this.#length++] = value >>> 8;
  }

  #put32(value: number): void {
    this.#buffer[this.#length++] = value;
    this.#buffer[this.#length++] = value >>> 8;
    this.#buffer[this.#length++] = value >>> 16;
    this.#buffer[this.#length++] = value >>> 24;
  }

  #put16be(value: number): void {
    this.#buffer[this.#length++] = value >>> 8;
    this.#buffer[this.#length++] = value;
  }

  #put32be(value: number): void {
    this.#buffer[this.#length++] = value >>> 24;
    this.#buffer[this.#length++] = value >>> 16;
    this.#buffer[this.#length++] = value >>> 8;
    this.#buffer[this.#length++] = value;
  }

  /** Makes room for `count` more bytes, so that writing them does not grow the buffer step by step. */
  reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
  }
}

let scratch: ByteWriter | undefined;

/** The bytes that `fill` writes. The writer is shared between calls, so that they allocate nothing but the result. */
export function encoded<T>(fill: (writer: ByteWriter, value: T) => void, value: T): Uint8Array {
  const writer = scratch ?? new ByteWriter(1024);
  scratch = undefined;
  writer.reset();
  fill(writer, value);
  const bytes = writer.toBytes();
  scratch = writer;
  return bytes;
}
