/** Bytes that must not end up in a log, a status or an error message. Pure. */

import { bytesEqual } from './bytes.ts';

/** A key. It is shown as nothing by whatever prints or serialises objects. */
export class Secret {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The bytes themselves, for the kernel. */
  reveal(): Uint8Array {
    return this.#bytes;
  }

  equals(other: Uint8Array): boolean {
    return bytesEqual(this.#bytes, other);
  }

  toJSON(): string {
    return '(secret)';
  }
}
