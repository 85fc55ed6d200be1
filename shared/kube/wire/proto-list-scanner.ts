/**
 * Takes a list in protobuf apart while it arrives, as list-scanner.ts does with JSON: an item is handed out when its last
 * byte is there. Pure.
 *
 * The form (apimachinery, pkg/runtime/serializer/protobuf): "k8s" and a zero; then an Unknown, whose `raw` is the list:
 * 1 its ListMeta, 2 each item.
 */

import { ListMeta as ListMetaMessage } from '#messages/kubernetes';
import { type AnyMessageType, WIRE, WireError } from '../../grpc/wire/schema.ts';
import type { ListMeta } from '../types.ts';
import { decodeObject } from './decode-object.ts';

/** `k8s\0`. */
export const MAGIC: Uint8Array = Uint8Array.of(0x6b, 0x38, 0x73, 0);

/** Of Unknown. */
const RAW = 2;
/** Of every list. */
const METADATA = 1;
const ITEMS = 2;
/** Bytes of the longest varint. */
const LONGEST_VARINT = 10;

export class ProtoListScanner {
  readonly #item: AnyMessageType;
  readonly #onItem: (item: unknown) => void;
  /** What is not dealt with yet, from `#at` to `#length`. */
  #buffer: Uint8Array = new Uint8Array(64 * 1024);
  #length = 0;
  #at = 0;
  #where: 'magic' | 'envelope' | 'list' = 'magic';
  /** Bytes of the list that are still to come, those in the buffer included. */
  #left = 0;
  #meta: ListMeta | undefined;
  #hasList = false;

  /** @param item what each item is */
  constructor(item: AnyMessageType, onItem: (item: unknown) => void) {
    this.#item = item;
    this.#onItem = onItem;
  }

  /** @throws WireError for what is no list */
  push(chunk: Uint8Array): void {
    this.#append(chunk);
    while (this.#step());
  }

  /** The list's metadata, once everything is pushed. @throws WireError where it ends too early */
  end(): { readonly metadata?: ListMeta } {
    const isAtEnd = this.#where === 'envelope' || (this.#where === 'list' && this.#left === 0);
    if (!isAtEnd || this.#at !== this.#length || !this.#hasList)
      throw new WireError('the list ends in the middle');
    return this.#meta ? { metadata: this.#meta } : {};
  }

  /** @returns false where more bytes are needed */
  #step(): boolean {
    if (this.#where === 'magic') {
      if (this.#length < MAGIC.length) return false;
      for (let at = 0; at < MAGIC.length; at += 1)
        if (this.#buffer[at] !== MAGIC[at])
          throw new WireError('it does not begin as an answer in protobuf does');
      this.#at = MAGIC.length;
      this.#where = 'envelope';
    }
    if (this.#where === 'list' && this.#left === 0) this.#where = 'envelope';
    return this.#field();
  }

  /** Deals with the next field if it is there as a whole; of the list itself its head is enough. */
  #field(): boolean {
    const begin = this.#at;
    const tag = this.#varint(begin);
    const size = tag && this.#varint(tag.end);
    if (!tag || !size) return false;
    // Scalars have no length: what was read as one is their value, and they are passed over.
    const isScalar = (tag.value & 7) === WIRE.VARINT;
    if (!isScalar && (tag.value & 7) !== WIRE.LEN) throw new WireError('a list has no such field');
    const number = tag.value >>> 3;
    if (this.#where === 'envelope' && number === RAW && !isScalar) {
      this.#at = size.end;
      this.#where = 'list';
      this.#hasList = true;
      this.#left = size.value;
      return true;
    }
    const end = isScalar ? size.end : size.end + size.value;
    if (this.#where === 'list' && end - begin > this.#left)
      throw new WireError('an item ends behind its list');
    if (end > this.#length) return false;
    if (this.#where === 'list') {
      this.#left -= end - begin;
      if (!isScalar) this.#inList(number, this.#buffer.subarray(size.end, end));
    }
    this.#at = end;
    return true;
  }

  #inList(number: number, bytes: Uint8Array): void {
    if (number === ITEMS) this.#onItem(decodeObject(this.#item, bytes));
    else if (number === METADATA) this.#meta = decodeObject(ListMetaMessage, bytes) as ListMeta;
  }

  /** The varint at `at`; undefined where it is not there as a whole. */
  #varint(at: number): { readonly value: number; readonly end: number } | undefined {
    let value = 0;
    let scale = 1;
    for (let read = at; read < this.#length; read += 1) {
      if (read - at === LONGEST_VARINT) throw new WireError('a varint is longer than ten bytes');
      const byte = this.#buffer[read] as number;
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
      if (byte < 0x80) return { value, end: read + 1 };
    }
    return undefined;
  }

  #append(chunk: Uint8Array): void {
    this.#buffer.copyWithin(0, this.#at, this.#length);
    this.#length -= this.#at;
    this.#at = 0;
    const needed = this.#length + chunk.length;
    if (needed > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.#buffer.length));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    this.#buffer.set(chunk, this.#length);
    this.#length = needed;
  }
}
