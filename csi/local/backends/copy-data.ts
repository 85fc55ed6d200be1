/** Copies a file's data piece by piece, off the event loop; holes stay holes. */

import { nextData, truncate } from '../../../shared/sys/allocate.ts';
import type { Fd } from '../../../shared/sys/fd.ts';
import { fstat } from '../../../shared/sys/stat.ts';
import type { Progress } from './backend.ts';
import { breathe, readAt, writeAt } from './off-loop.ts';

const PIECE = 1024 * 1024;

/** One of the two files of a copy. */
export interface End {
  readonly fd: Fd;
  readonly path: string;
}

export function newBuffer(): Uint8Array {
  return new Uint8Array(PIECE);
}

/** Copies what is data; a pass after the first writes only what has changed since the last. */
export class DataCopy {
  readonly #source: End;
  readonly #target: End;
  readonly #signal: AbortSignal;
  readonly #progress: Progress | undefined;
  readonly #buffer: Uint8Array;
  /** Of every piece that is in the target, by its offset; what is missing there is a hole. */
  readonly #hashes = new Map<number, bigint>();

  /** @param buffer of `newBuffer`, for who copies one file after another */
  constructor(
    source: End,
    target: End,
    signal: AbortSignal,
    progress?: Progress,
    buffer: Uint8Array = newBuffer(),
  ) {
    this.#source = source;
    this.#target = target;
    this.#signal = signal;
    this.#progress = progress;
    this.#buffer = buffer;
  }

  async pass(): Promise<void> {
    const { fd, path } = this.#source;
    const { size, allocated } = fstat(fd);
    truncate(this.#target.fd, size, this.#target.path);
    const seen = new Set<number>();
    let done = 0;
    for (let data = nextData(fd, 0, path); data; ) {
      const offset = Math.floor(data.start / PIECE) * PIECE;
      await breathe(this.#signal);
      done += await this.#piece(offset);
      seen.add(offset);
      this.#progress?.(Math.min(done, allocated), Math.min(allocated, size));
      if (offset + PIECE >= size) break;
      data = nextData(fd, Math.max(offset + PIECE, 0), path);
    }
    // Discarded since: a hole now, which reads as zeros.
    for (const offset of this.#hashes.keys()) if (!seen.has(offset)) await this.#piece(offset);
  }

  /** @returns bytes that were looked at */
  async #piece(offset: number): Promise<number> {
    const bytes = await readAt(this.#source.fd, this.#buffer, offset);
    const hash = Bun.hash.wyhash(bytes);
    if (this.#hashes.get(offset) !== hash) await writeAt(this.#target.fd, bytes, offset);
    this.#hashes.set(offset, hash);
    return bytes.length;
  }
}
