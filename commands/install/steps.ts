/** The changes that an installation is made of, each one atomic: after a crash it was done or it was not. */
import { constants, copyFileSync } from 'node:fs';
import { O } from '../../shared/sys/constants.ts';
import { isErrno } from '../../shared/sys/errno.ts';
import {
  chmod,
  fsyncDirectory,
  link,
  mkdirp,
  openFile,
  rename,
  rmdir,
  symlink,
  unlinkIfExists,
  writeFile,
} from '../../shared/sys/file.ts';
import { syscall } from '../../shared/sys/syscall.ts';
import type { Disk } from './disk.ts';
import { parentDirectory, preparedName, RECORD_PATH, STATE_DIR } from './layout.ts';
import { formatRecord, type InstallRecord } from './record.ts';

export type Step =
  | { readonly do: 'record'; readonly record: InstallRecord }
  | { readonly do: 'make directory'; readonly path: string }
  /** `from` is outside the root. */
  | { readonly do: 'copy'; readonly from: string; readonly path: string }
  | { readonly do: 'write'; readonly path: string; readonly text: string }
  | { readonly do: 'link'; readonly path: string; readonly target: string }
  /** Gives the file at `path` a second name; a later step takes the first one away from it. */
  | { readonly do: 'keep'; readonly path: string; readonly saved: string }
  | { readonly do: 'move'; readonly from: string; readonly path: string }
  | { readonly do: 'remove'; readonly path: string }
  /** Only when it is empty. */
  | { readonly do: 'remove directory'; readonly path: string };

/** One line for the operator; `undefined` for bookkeeping. */
export function describe(step: Step): string | undefined {
  switch (step.do) {
    case 'record':
    case 'remove directory':
      return undefined;
    case 'make directory':
      return `make ${step.path}/`;
    case 'copy':
      return `copy ${step.from} to ${step.path}`;
    case 'write':
      return `write ${step.path}`;
    case 'link':
      return `link ${step.path} -> ${step.target}`;
    case 'keep':
      return `set aside ${step.path} as ${step.saved}`;
    case 'move':
      return `move ${step.from} to ${step.path}`;
    case 'remove':
      return step.path.endsWith('.underpod-new') || step.path === RECORD_PATH
        ? undefined
        : `remove ${step.path}`;
    default:
      return step satisfies never;
  }
}

/** Called before each change of the disk with a name for it; a test throws from here what a crash would be. */
export type Checkpoint = (change: string) => void;

/** @throws SyscallError; what was done stays done, and running again completes it */
export function apply(step: Step, disk: Disk, checkpoint: Checkpoint): void {
  switch (step.do) {
    case 'record': {
      const text = formatRecord(step.record);
      mkdirp(disk.real(STATE_DIR));
      replace(disk.real(RECORD_PATH), checkpoint, (part) => writeFile(part, text));
      return;
    }
    case 'make directory':
      checkpoint(`mkdir ${step.path}`);
      mkdirp(disk.real(step.path));
      return;
    case 'copy':
      replace(disk.real(step.path), checkpoint, (part) => {
        copyFileSync(step.from, part, constants.COPYFILE_FICLONE);
        chmod(part, 0o755);
      });
      return;
    case 'write':
      replace(disk.real(step.path), checkpoint, (part) => writeFile(part, step.text));
      return;
    case 'link':
      replace(disk.real(step.path), checkpoint, (part) => symlink(step.target, part));
      return;
    case 'keep':
      checkpoint(`link ${step.saved}`);
      keep(disk.real(step.path), disk.real(step.saved));
      return;
    case 'move':
      checkpoint(`rename ${step.from}`);
      rename(disk.real(step.from), disk.real(step.path));
      fsyncDirectory(parentDirectory(disk.real(step.path)));
      return;
    case 'remove':
      checkpoint(`unlink ${step.path}`);
      unlinkIfExists(disk.real(step.path));
      fsyncDirectory(parentDirectory(disk.real(step.path)));
      return;
    case 'remove directory':
      checkpoint(`rmdir ${step.path}`);
      removeIfEmpty(disk.real(step.path));
      return;
    default:
      step satisfies never;
  }
}

/** Puts what `make` makes in the place of `path`: there is no moment without either. */
function replace(path: string, checkpoint: Checkpoint, make: (part: string) => void): void {
  const part = preparedName(path);
  checkpoint(`prepare ${path}`);
  unlinkIfExists(part);
  make(part);
  flush(part);
  checkpoint(`replace ${path}`);
  rename(part, path);
  fsyncDirectory(parentDirectory(path));
}

/** Content to the disk before its name, or a power cut leaves an empty file. Links have none. */
function flush(path: string): void {
  try {
    using file = openFile(path, O.RDONLY | O.NOFOLLOW);
    syscall('fsync', path, file.fd);
  } catch (error) {
    if (!isErrno(error, 'ELOOP')) throw error;
  }
}

function keep(path: string, saved: string): void {
  try {
    link(path, saved);
  } catch (error) {
    // No hard links here (EPERM on FAT and its like), or no more of them: the place is empty for a moment instead.
    if (!isErrno(error, 'EPERM', 'EOPNOTSUPP', 'EMLINK')) throw error;
    rename(path, saved);
  }
  fsyncDirectory(parentDirectory(saved));
}

/** Removes a directory unless something is in it, or it is a mount (on a read-only root), as in the pod that installs. */
export function removeIfEmpty(path: string): void {
  try {
    rmdir(path);
  } catch (error) {
    if (!isErrno(error, 'ENOTEMPTY', 'EEXIST', 'ENOENT', 'EBUSY', 'EROFS')) throw error;
  }
}
