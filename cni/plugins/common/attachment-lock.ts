/**
 * One lock for each attachment. The outermost plugin of a call takes it for ADD and DEL, so that both never run at
 * once for the same attachment, and so that GC knows what is being worked on. It lies in /run: a reboot takes it away
 * together with the interfaces.
 *
 * The file names its attachment. A call that was killed leaves the file without a holder; the attachment's next call
 * or any GC removes it.
 */

import { O } from '../../../shared/sys/constants.ts';
import { readDir } from '../../../shared/sys/directory.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import { writeAll } from '../../../shared/sys/fd.ts';
import { mkdirp, openFile, readTextIfExists, writeFile } from '../../../shared/sys/file.ts';
import type { FileLock } from '../../../shared/sys/lock.ts';
import { isLocked, lock, tryLock } from '../../../shared/sys/lock.ts';
import { exists } from '../../../shared/sys/stat.ts';
import { tryAgainLater, unavailable } from '../../protocol/error.ts';
import type { AttachmentKey } from './attachment.ts';
import { attachmentHash, sha256 } from './attachment.ts';

export const lockDirectory = '/run/underpod/cni';

/**
 * Set for plugins that we execute, with the hash of the attachment whose lock we hold: a plugin of another project
 * may in turn execute one of ours, which must not wait for its own grandparent.
 */
export const heldLockVariable = 'UNDERPOD_CNI_LOCK';

/**
 * How long a call waits for another one of the same attachment. A kubelet gives a call up after two minutes and then
 * sends DEL while the ADD may still run; ADDs that wait for duplicate address detection take a few seconds.
 */
const timeoutMs = 60_000;

/** Digits of the hash in the file name: as unique as a name needs to be. */
const nameDigits = 32;

/** The lock file of an attachment. */
export function lockPath(key: AttachmentKey): string {
  return lockPathOfHash(attachmentHash(key));
}

function lockPathOfHash(hash: string): string {
  return `${lockDirectory}/${hash.slice(0, nameDigits)}.lock`;
}

/** The file that a running GC of a network keeps for `noteAdd` (gc-journal.ts). */
export function gcJournalPath(network: string): string {
  return `${lockDirectory}/${sha256(network).slice(0, nameDigits)}.gc`;
}

/**
 * Tells a GC of the network, if one runs now, that this ADD began after it. Call it with the attachment's lock held,
 * before anything is made: then the GC has either found the lock held, or finds this note.
 *
 * One system call where no GC runs.
 */
export function noteAdd(key: AttachmentKey): void {
  const path = gcJournalPath(key.network);
  if (!exists(path)) return;
  try {
    using journal = openFile(path, O.WRONLY | O.APPEND | O.NOFOLLOW);
    writeAll(journal.fd, new TextEncoder().encode(`${ownerText(key)}\n`), path);
  } catch (error) {
    // The GC has just ended.
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}

/** Removes the file of a GC of the network that was killed: a DEL does it in passing. One system call where none is. */
export function removeDeadJournal(network: string): void {
  const path = gcJournalPath(network);
  if (exists(path)) tryLock(path)?.removeAndRelease();
}

/** The attachments that were noted since the GC of the network that runs now began. */
export function notedAttachments(network: string): AttachmentKey[] {
  const text = readTextIfExists(gcJournalPath(network)) ?? '';
  return text
    .split('\n')
    .map(readOwner)
    .filter((key) => key !== undefined);
}

/** The locks of all calls that run in this process. */
const heldByUs = new Set<FileLock>();

/** A held lock; disposing of it removes the file. */
export class AttachmentLock implements Disposable {
  readonly #lock: FileLock;

  constructor(lock: FileLock) {
    this.#lock = lock;
    heldByUs.add(lock);
  }

  [Symbol.dispose](): void {
    heldByUs.delete(this.#lock);
    this.#lock.removeAndRelease();
  }
}

/**
 * Descriptors of the locks that this process holds, for a program to inherit that must end before anyone else works on
 * the attachment: when we are killed it goes on, and may be waiting itself. The DEL that follows would find nothing, and
 * then the program would make its rules.
 */
export function heldLocks(): number[] {
  const fds: number[] = [];
  for (const { fd } of heldByUs) fds.push(fd);
  return fds;
}

/** Takes the lock, waiting for another call of the same attachment. Throws code 11 when that takes too long. */
export function lockAttachment(key: AttachmentKey): AttachmentLock {
  const held = waitFor(key);
  try {
    // Written before anything of the attachment is made, so whoever sees the attachment can also read this.
    writeFile(lockPath(key), ownerText(key), 0o600);
    return held;
  } catch (error) {
    held[Symbol.dispose]();
    throw error;
  }
}

/**
 * As `lockAttachment`, for DEL, which must also work where nothing can be written any more: undefined where the file
 * cannot be made. Then no other call holds the lock, and no ADD gets it.
 */
export function lockAttachmentForDel(key: AttachmentKey): AttachmentLock | undefined {
  let held: AttachmentLock;
  try {
    held = waitFor(key);
  } catch (error) {
    if (isUnwritable(error)) return undefined;
    throw error;
  }
  try {
    writeFile(lockPath(key), ownerText(key), 0o600);
  } catch (error) {
    // GC does not learn whose the lock is, but that it is held: it leaves the attachment alone.
    if (!isUnwritable(error)) {
      held[Symbol.dispose]();
      throw error;
    }
  }
  return held;
}

/** Throws code 50 where no lock could be taken, and so no pod added. */
export function requireLockDirectory(): void {
  try {
    mkdirp(lockDirectory, 0o700);
    // A nameless file with some content: it tells what is read-only, full or forbidden, and leaves nothing.
    using probe = openFile(lockDirectory, O.TMPFILE | O.WRONLY, 0o600);
    writeAll(probe.fd, new Uint8Array(1), lockDirectory);
  } catch (cause) {
    // A file system without nameless files, which says nothing about others.
    if (isErrno(cause, 'EOPNOTSUPP', 'EISDIR')) return;
    throw unavailable(`locks cannot be written in ${lockDirectory}: mount it writable, or free some space`, {
      cause,
    });
  }
}

function isUnwritable(error: unknown): boolean {
  return isErrno(error, 'EROFS', 'ENOSPC', 'EDQUOT');
}

function waitFor(key: AttachmentKey): AttachmentLock {
  const path = lockPath(key);
  try {
    return new AttachmentLock(lock(path, timeoutMs));
  } catch (cause) {
    if (!(cause instanceof Error && cause.name === 'LockTimeout')) throw cause;
    throw tryAgainLater(
      `another call for ${key.ifname} of container ${key.containerId} has been running for ${timeoutMs / 1000} s`,
      { details: `find it with "fuser ${path}"`, cause },
    );
  }
}

/** Takes the lock of an attachment, named by its hash, if nobody holds it: what GC does before it removes something. */
export function tryLockAttachment(hash: string): AttachmentLock | undefined {
  const held = tryLock(lockPathOfHash(hash));
  return held && new AttachmentLock(held);
}

/** The attachments of a network whose ADD or DEL runs now. */
export function runningAttachments(network: string): AttachmentKey[] {
  return lockFiles('.lock')
    .filter(isLocked)
    .map((path) => readOwner(readTextIfExists(path) ?? ''))
    .filter((key) => key !== undefined)
    .filter((key) => key.network === network);
}

/** Removes the files of calls that were killed. Nobody holds them, so they say nothing any more, of any network. */
export function removeStaleLocks(): void {
  for (const path of [...lockFiles('.lock'), ...lockFiles('.gc')])
    if (!isLocked(path)) tryLock(path)?.removeAndRelease();
}

function lockFiles(suffix: string): string[] {
  try {
    return readDir(lockDirectory)
      .filter(({ name }) => name.endsWith(suffix))
      .map(({ name }) => `${lockDirectory}/${name}`);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** None of the three can hold a slash or a line end. */
function ownerText({ network, containerId, ifname }: AttachmentKey): string {
  return `${network}/${containerId}/${ifname}`;
}

/** Undefined while the holder has not written it yet: then it has made nothing yet either. */
function readOwner(text: string): AttachmentKey | undefined {
  const [network, containerId, ifname, ...rest] = text.split('/');
  return network && containerId && ifname && rest.length === 0 ? { network, containerId, ifname } : undefined;
}
