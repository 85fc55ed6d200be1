/** Copies an image: by reflink, or its data piece by piece. */

import { nextData, truncate } from '../../../shared/sys/allocate.ts';
import { errnoNumber, isErrno, SyscallError } from '../../../shared/sys/errno.ts';
import type { Fd } from '../../../shared/sys/fd.ts';
import { fstat } from '../../../shared/sys/stat.ts';
import type { Progress, Work } from './backend.ts';
import { breathe, readAt, writeAt } from './off-loop.ts';
import { reflinkStill, whileStill } from './still.ts';

const PIECE = 1024 * 1024;

/** One of the two files of a copy. */
export interface End {
  readonly fd: Fd;
  readonly path: string;
}

/**
 * Makes the empty `target` a copy of `source` as it is at one moment.
 *
 * @param mounted where the file system in the source is mounted for writing; undefined: nobody writes to it
 * @throws SyscallError EBUSY where it is in use, the pool's file system has no reflinks, and more is being written to it than can
 * be copied while its writers wait (2 s); ENOSPC
 */
export async function copyImage(
  source: End,
  target: End,
  mounted: string | undefined,
  { signal, progress }: Work,
): Promise<void> {
  if (await reflinkStill(source.fd, target.fd, mounted)) return;
  truncate(target.fd, fstat(source.fd).size, target.path);
  const copy = new DataCopy(source, target, signal, progress);
  await copy.pass();
  if (mounted === undefined) return;
  // What was written meanwhile is copied again, while nobody writes: all of it is of one moment then.
  try {
    await whileStill(mounted, () => copy.pass());
  } catch (error) {
    if (!isErrno(error, 'EBUSY')) throw error;
    const why = `${source.path} (in use, and too large to be copied in a moment: stop its pod, or use a pool with reflinks)`;
    throw new SyscallError('copy', errnoNumber('EBUSY'), why, { cause: error });
  }
}

/** Copies what is data; a pass after the first writes only what has changed since the last. */
class DataCopy {
  readonly #source: End;
  readonly #target: End;
  readonly #signal: AbortSignal;
  readonly #progress: Progress | undefined;
  readonly #buffer = new Uint8Array(PIECE);
  /** Of every piece that is in the target, by its offset; what is missing there is a hole. */
  readonly #hashes = new Map<number, bigint>();

  constructor(source: End, target: End, signal: AbortSignal, progress: Progress | undefined) {
    this.#source = source;
    this.#target = target;
    this.#signal = signal;
    this.#progress = progress;
  }

  async pass(): Promise<void> {
    const { fd, path } = this.#source;
    const { size, allocated } = fstat(fd);
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
