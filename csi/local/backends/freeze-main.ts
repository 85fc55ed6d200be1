/**
 * `underpod csi freeze`: holds a file system still for a moment, and makes a reflink meanwhile. A process of its own, because what
 * is frozen stays so when the process that froze it is killed: this one thaws when its parent is no more, or after 2 s, and is
 * deaf to whatever would end it before. Only a reflink that takes longer is waited for: as long as it runs the kernel lets nobody
 * write to the file, still or not, and even to thaw ext4 is to write. Hidden: the driver starts it.
 *
 * Descriptor 3: a directory of the file system. With `--reflink`, 4 and 5: the file to copy, and the empty one that is to be
 * the copy. With `--flowing` nothing is frozen, with `--sync` what is held back is written out and no more. Says on stdout, one word a line, what was done:
 *
 *     frozen            everybody who writes waits
 *     cloned | refused  by --reflink: done, or the file system cannot
 *     thawed            because it was asked to (stdin ended), or all is done
 *     late              because 2 s were over
 *     failed ENOSPC     and is thawed
 */

import { reflink } from '../../../shared/sys/allocate.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import { type Fd, writeAll } from '../../../shared/sys/fd.ts';
import { freeze, syncFilesystem, thaw } from '../../../shared/sys/freeze.ts';

/** How long writers are kept waiting at most, in ms. */
export const HOLD = 2000;

const DIRECTORY = 3 as Fd;
const SOURCE = 4 as Fd;
const TARGET = 5 as Fd;

export async function main(args: readonly string[]): Promise<number> {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGPIPE'] as const)
    process.on(signal, () => undefined);
  try {
    if (args.includes('--sync')) syncFilesystem(DIRECTORY, 'the volume');
    else if (args.includes('--flowing')) say(clone());
    else if (args.includes('--reflink')) still(() => say(clone()));
    else await hold();
    return 0;
  } catch (error) {
    say(`failed ${(error as { code?: string }).code ?? 'EIO'}`);
    return 1;
  }
}

function clone(): string {
  return reflink(SOURCE, TARGET, 'the copy') ? 'cloned' : 'refused';
}

/** All in one go: nothing comes in between, not even a signal that is listened to. */
function still(work: () => void): void {
  // Most is written out before anybody has to wait.
  syncFilesystem(DIRECTORY, 'the volume');
  const ours = tryFreeze();
  try {
    work();
  } finally {
    if (ours) thaw(DIRECTORY, 'the volume');
  }
  say('thawed');
}

/** False where somebody else has frozen it: then it is still, and his to thaw. */
function tryFreeze(): boolean {
  try {
    freeze(DIRECTORY, 'the volume');
    return true;
  } catch (error) {
    if (isErrno(error, 'EBUSY')) return false;
    throw error;
  }
}

async function hold(): Promise<void> {
  syncFilesystem(DIRECTORY, 'the volume');
  const ended = stdinEnds();
  const ours = tryFreeze();
  let end = 'late';
  try {
    say('frozen');
    end = await Promise.race([ended, after(HOLD)]);
  } finally {
    if (ours) thaw(DIRECTORY, 'the volume');
  }
  say(end);
}

async function stdinEnds(): Promise<'thawed'> {
  for await (const _ of Bun.stdin.stream()) {
    // Nothing is said there: that it ends is what counts.
  }
  return 'thawed';
}

function after(ms: number): Promise<'late'> {
  return new Promise((resolve) => setTimeout(() => resolve('late'), ms));
}

/** A parent that is gone does not hear it. */
function say(word: string): void {
  try {
    writeAll(1, new TextEncoder().encode(`${word}\n`));
  } catch (error) {
    if (!isErrno(error, 'EPIPE')) throw error;
  }
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
