import type { Ip } from '../../ip/ip.ts';
import { type Attribute, NLA_F_NESTED, NLA_F_NET_BYTEORDER, NLA_TYPE_MASK } from './attributes.ts';
import { DecodeError } from './decode-error.ts';

/**
 * Goes through a run of attributes and reads their values where they stand: for tables of thousands of objects, where
 * an object and a copy for each attribute (`parseAttributes`) would take most of the time.
 *
 *     for (const at = new AttributeCursor(bytes, HEADER); at.next(); ) switch (at.type) { … }
 *
 * As with the readers of read.ts an attribute may be longer than its value; all throw DecodeError when it is shorter.
 */
export class AttributeCursor {
  /** Of the attribute that the cursor is at. */
  type = 0;
  #flags = 0;
  #start = 0;
  #length = 0;
  #next: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, start: number) {
    this.#bytes = bytes;
    this.#next = start;
  }

  /** Goes to the next attribute; false after the last. @throws DecodeError as parseAttributes */
  next(): boolean {
    const at = this.#next;
    const bytes = this.#bytes;
    const left = bytes.length - at;
    if (left < 4) return false;
    const length = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
    this.#flags = (bytes[at + 2] as number) | ((bytes[at + 3] as number) << 8);
    this.type = this.#flags & NLA_TYPE_MASK;
    if (length < 4 || length > left)
      throw new DecodeError(`attribute ${this.type} at byte ${at} claims ${length} of ${left} bytes`);
    this.#start = at + 4;
    this.#length = length - 4;
    this.#next = at + ((length + 3) & ~3);
    return true;
  }

  u8(): number {
    this.#need(1);
    return this.#bytes[this.#start] as number;
  }

  u16(): number {
    this.#need(2);
    return (this.#bytes[this.#start] as number) | ((this.#bytes[this.#start + 1] as number) << 8);
  }

  u16be(): number {
    this.#need(2);
    return ((this.#bytes[this.#start] as number) << 8) | (this.#bytes[this.#start + 1] as number);
  }

  u32(): number {
    this.#need(4);
    const bytes = this.#bytes;
    const at = this.#start;
    const value =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    return value >>> 0;
  }

  /** An address of four (IPv4) or sixteen bytes (IPv6); `family` insists on one of them. */
  ip(family?: 4 | 6): Ip {
    const length = this.#length;
    if (length === 4 && family !== 6) return { family: 4, value: BigInt(this.#u32be(0)) };
    if (length === 16 && family !== 4) {
      const high = (BigInt(this.#u32be(0)) << 32n) | BigInt(this.#u32be(4));
      const low = (BigInt(this.#u32be(8)) << 32n) | BigInt(this.#u32be(12));
      return { family: 6, value: (high << 64n) | low };
    }
    throw new DecodeError(
      `an IP${family === undefined ? '' : `v${family}`} address cannot have ${length} bytes`,
    );
  }

  /** A copy of the value. */
  payload(): Uint8Array {
    return this.#bytes.slice(this.#start, this.#start + this.#length);
  }

  /** All of it, to be kept. */
  attribute(): Attribute {
    const nested = (this.#flags & NLA_F_NESTED) !== 0;
    const payload = this.payload();
    return (this.#flags & NLA_F_NET_BYTEORDER) !== 0
      ? { type: this.type, nested, networkOrder: true, payload }
      : { type: this.type, nested, payload };
  }

  #u32be(offset: number): number {
    const bytes = this.#bytes;
    const at = this.#start + offset;
    const value =
      ((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number);
    return value >>> 0;
  }

  #need(count: number): void {
    if (count > this.#length)
      throw new DecodeError(`attribute ${this.type}: ${count} bytes wanted of ${this.#length}`);
  }
}
