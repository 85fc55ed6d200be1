/**
 * Takes a list's JSON apart while it arrives: each item is handed out as soon as its last byte is there, so that a page
 * of six megabytes costs the memory of one item. Pure.
 *
 * It looks at braces, brackets and quotes only; what lies between is JSON.parse's business, item by item.
 */

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

const decoder = new TextDecoder();

export class ListScanner {
  readonly #onItem: (item: unknown) => void;
  /** What is not dealt with yet: of an item that is not complete, all of it. */
  #buffer: Uint8Array = new Uint8Array(64 * 1024);
  #length = 0;
  #at = 0;
  #depth = 0;
  /** Where the string began in which `#at` is, or -1. */
  #stringStart = -1;
  /** Where the item began in which `#at` is, or -1. */
  #itemStart = -1;
  #inItems = false;
  /** Everything but the items: the list with none in it. */
  #envelope = '';

  constructor(onItem: (item: unknown) => void) {
    this.#onItem = onItem;
  }

  /** @throws SyntaxError for an item that is no JSON */
  push(chunk: Uint8Array): void {
    this.#append(chunk);
    this.#scan();
    const keep =
      this.#itemStart >= 0 ? this.#itemStart : this.#stringStart >= 0 ? this.#stringStart : this.#at;
    this.#buffer.copyWithin(0, keep, this.#length);
    this.#length -= keep;
    this.#at -= keep;
    if (this.#itemStart >= 0) this.#itemStart -= keep;
    if (this.#stringStart >= 0) this.#stringStart -= keep;
  }

  /** The list without its items, once everything is pushed. @throws SyntaxError where the JSON ends too early */
  end(): unknown {
    if (this.#itemStart >= 0 || this.#stringStart >= 0) throw new SyntaxError('the list ends inside an item');
    return JSON.parse(this.#envelope);
  }

  #append(chunk: Uint8Array): void {
    const needed = this.#length + chunk.length;
    if (needed > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.#buffer.length));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    this.#buffer.set(chunk, this.#length);
    this.#length = needed;
  }

  #scan(): void {
    const bytes = this.#buffer.subarray(0, this.#length);
    let at = this.#at;
    while (at < bytes.length) {
      if (this.#stringStart >= 0) {
        const end = bytes.indexOf(QUOTE, at);
        if (end < 0) break;
        at = end + 1;
        if (this.#isEscaped(bytes, end)) continue;
        if (this.#itemStart < 0) this.#envelope += decoder.decode(bytes.subarray(this.#stringStart, at));
        this.#stringStart = -1;
        continue;
      }
      const byte = bytes[at] as number;
      if (byte === QUOTE) this.#stringStart = at;
      else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) this.#open(byte, at);
      else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) this.#close(byte, at, bytes);
      else if (this.#itemStart < 0 && !(this.#inItems && byte === COMMA)) {
        this.#envelope += String.fromCharCode(byte);
      }
      at += 1;
    }
    this.#at = bytes.length;
  }

  #open(byte: number, at: number): void {
    this.#depth += 1;
    if (this.#itemStart >= 0) return;
    if (this.#inItems && byte === OPEN_BRACE) {
      this.#itemStart = at;
      return;
    }
    if (this.#depth === 2 && byte === OPEN_BRACKET) this.#inItems = /"items"\s*:\s*$/.test(this.#envelope);
    this.#envelope += String.fromCharCode(byte);
  }

  #close(byte: number, at: number, bytes: Uint8Array): void {
    this.#depth -= 1;
    if (this.#itemStart < 0) {
      if (this.#depth === 1) this.#inItems = false;
      this.#envelope += String.fromCharCode(byte);
    } else if (this.#depth === 2) {
      this.#onItem(JSON.parse(decoder.decode(bytes.subarray(this.#itemStart, at + 1))));
      this.#itemStart = -1;
    }
  }

  /** True for a quote after an odd number of backslashes. */
  #isEscaped(bytes: Uint8Array, quote: number): boolean {
    let before = quote - 1;
    while (before > this.#stringStart && bytes[before] === BACKSLASH) before -= 1;
    return (quote - 1 - before) % 2 === 1;
  }
}
