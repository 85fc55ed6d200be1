/**
 * How a GC learns of ADDs that begin while it runs, even of those that have ended again before it looks.
 *
 * The runtime made its list of valid attachments before it called GC, so an ADD that begins since is on none. (The
 * specification has runtimes not run both at once, but a mistake there would cost a live pod its network.) A GC
 * therefore first makes this file; each ADD looks for it once it holds its own lock and has written whose that is, and
 * then writes itself into it. Of an attachment that GC finds, the ADD either
 * - ended before GC's first look at the locks: whether it is valid is for the runtime's list to say;
 * - held its lock at that look, and is kept; or
 * - looked for the file after it was made, so its name is in it, and is kept.
 *
 * No clock takes part, nobody waits for an ADD that hangs, and a killed one leaves nothing that others wait for.
 */

import { writeFile } from '../../../shared/sys/file.ts';
import type { FileLock } from '../../../shared/sys/lock.ts';
import { lock } from '../../../shared/sys/lock.ts';
import { tryAgainLater } from '../../protocol/error.ts';
import { sha256 } from './attachment.ts';
import { gcJournalPath } from './attachment-lock.ts';

/** GC of 10,000 attachments, each interface of which takes the kernel 20 ms to delete, would take minutes. */
const timeoutMs = 60_000;

/** The journal of a GC that runs; disposing of it ends it. */
export class GcJournal implements Disposable {
  readonly #lock: FileLock;

  private constructor(held: FileLock) {
    this.#lock = held;
  }

  /** Begins one, after another GC of the same network has ended. Throws code 11 when that takes too long. */
  static begin(network: string): GcJournal {
    const path = gcJournalPath(network);
    let held: FileLock;
    try {
      held = lock(path, timeoutMs);
    } catch (cause) {
      if (!(cause instanceof Error && cause.name === 'LockTimeout')) throw cause;
      throw tryAgainLater(`another GC of network ${network} has been running for ${timeoutMs / 1000} s`, {
        details: `find it with "fuser ${path}"`,
        cause,
      });
    }
    const journal = new GcJournal(held);
    try {
      // What a killed GC left says nothing of this one.
      writeFile(path, '', 0o600);
      return journal;
    } catch (error) {
      journal[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#lock.removeAndRelease();
  }
}

/**
 * What a plugin that a GC executes is told beside the hashes of attachments (heldLockVariable): if it in turn executes
 * one of ours, that one's GC is part of ours.
 */
export function gcHash(network: string): string {
  return sha256(`${network}\0gc`);
}
