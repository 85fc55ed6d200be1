/**
 * host-local's directory of one network. Upstream's plugin may work on the same one at the same time, so what is
 * read and changed is exactly what it reads and changes, under its lock.
 */

import type { Ip } from '../../../shared/ip/ip.ts';
import { formatIp, parseIp } from '../../../shared/ip/ip.ts';
import { readDir } from '../../../shared/sys/directory.ts';
import { isErrno, SyscallError } from '../../../shared/sys/errno.ts';
import {
  createExclusive,
  mkdirp,
  overwriteFile,
  readStart,
  readTextIfExists,
  unlinkIfExists,
} from '../../../shared/sys/file.ts';
import { lock } from '../../../shared/sys/lock.ts';
import { exists } from '../../../shared/sys/stat.ts';
import { tryAgainLater } from '../../protocol/error.ts';
import type { Attachment } from '../../protocol/net-conf.ts';
import { OwnerIndex } from './owner-index.ts';
import type { Owner } from './record.ts';
import {
  addressOfFile,
  formatRecord,
  isTemporary,
  lastReservedFile,
  matchOwner,
  parseRecord,
} from './record.ts';
import { TakenMarks } from './taken-marks.ts';

/** The directory that all have to lock takes the lock for less than a millisecond; this long means that one hangs. */
const lockTimeoutMs = 20_000;

/** New entries take 0.1 ms each, more on a slow disk, and a runtime waits for the call that makes them. */
const maxAdded = 8192;

/** An address that is given out. */
export interface Reservation {
  readonly ip: Ip;
  /** Undefined where the file is empty. */
  readonly owner: Owner | undefined;
}

/** Where to look for what a container holds. */
export interface Scan {
  /** Addresses that the container may hold. */
  readonly candidates: readonly Ip[];
  /** There is what a killed ADD left half-written, or what another ADD is writing. */
  readonly hasTemporaries: boolean;
  /** All files were looked at, for want of an index: completing it saves the next call that. */
  readonly isLong: boolean;
}

/** The files of one network. Methods that say so need the lock. */
export class AddressStore {
  readonly directory: string;
  readonly #index: OwnerIndex;
  /** An address was given out whose owner could not be noted. */
  #isUnindexed = false;

  constructor(directory: string) {
    this.directory = directory;
    this.#index = new OwnerIndex(directory);
  }

  /** True once an address was given out, and for ever after. */
  get exists(): boolean {
    return exists(this.directory);
  }

  /** Makes directory and parents, 0755 as upstream. */
  create(): void {
    mkdirp(this.directory, 0o755);
  }

  /**
   * Runs `fn` with upstream's lock held. Keep it short: every pod of the node waits here. What `fn` does to addresses is
   * in the index, so a stamp that was there stays.
   */
  locked<T>(fn: () => T): T {
    using _held = this.#lock();
    const { stamp } = this.#index;
    try {
      return fn();
    } finally {
      if (stamp !== undefined && !this.#isUnindexed) this.#index.setStamp(stamp);
    }
  }

  /** Where the round robin stands; undefined at the start, and where the file says nothing sensible. Needs the lock. */
  lastReserved(rangeSet: number): Ip | undefined {
    const text = readTextIfExists(this.#path(lastReservedFile(rangeSet)));
    return text === undefined ? undefined : parseIp(text.trim());
  }

  /** Gives `ip` to the attachment; false when it is taken. An error leaves nothing. Needs the lock. */
  reserve(ip: Ip, attachment: Attachment, rangeSet: number): boolean {
    const name = formatIp(ip);
    const path = this.#path(name);
    // Most that are taken are found out here, before anything is written.
    if (exists(path)) return false;
    this.#note(attachment, ip);
    try {
      createExclusive(path, formatRecord(attachment), 0o600);
    } catch (error) {
      if (isErrno(error, 'EEXIST')) return false;
      throw error;
    }
    try {
      overwriteFile(this.#path(lastReservedFile(rangeSet)), name, 0o600);
      return true;
    } catch (error) {
      this.release(ip);
      throw error;
    }
  }

  /** Takes `ip` back, whoever had it; false when nobody had. Needs the lock. */
  release(ip: Ip): boolean {
    this.marks().unmark(ip);
    return unlinkIfExists(this.#path(formatIp(ip)));
  }

  /** Removes what the index says of an owner that holds nothing any more. Needs the lock. */
  forget(owner: Owner): void {
    this.#index.prune(owner, (ip) => isSameOwner(this.reservationOf(ip)?.owner, owner));
    if (owner.ifname !== undefined) this.forget({ containerId: owner.containerId, ifname: undefined });
  }

  /** Without an index, or with one that is full, all works as without: whoever has to know looks at every file. */
  #note(attachment: Attachment, ip: Ip): void {
    try {
      this.#index.add(attachment, ip);
    } catch {
      this.#isUnindexed = true;
    }
  }

  /** Who holds `ip`; undefined when nobody does. */
  reservationOf(ip: Ip): Reservation | undefined {
    const text = readTextIfExists(this.#path(formatIp(ip)));
    return text === undefined ? undefined : { ip, owner: parseRecord(text) };
  }

  /** What walks through ranges have seen taken. */
  marks(): TakenMarks {
    return new TakenMarks(this.#index.directory);
  }

  /** Names of all files: taken addresses among them. One reading of the directory, no file is opened. */
  names(): Set<string> {
    return new Set(readDir(this.directory).map((entry) => entry.name));
  }

  /** Every address given out with its owner: reads every file. */
  reservations(): Reservation[] {
    const found: Reservation[] = [];
    for (const { name, type } of readDir(this.directory)) {
      const ip = type === 'dir' ? undefined : addressOfFile(name);
      const reservation = ip && this.reservationOf(ip);
      if (reservation) found.push(reservation);
    }
    return found;
  }

  /** True if the index names every file. */
  get isIndexed(): boolean {
    return this.#index.isComplete;
  }

  /** Where to look for what an attachment holds: what the index says where it is complete, else a look at all files. */
  find(attachment: Attachment): Scan {
    if (!this.#index.isComplete && !this.#isCompleteNow()) return this.#scan(attachment.containerId);
    const candidates = this.#index.lookup(attachment);
    for (const ip of this.#index.lookup({ containerId: attachment.containerId, ifname: undefined }))
      candidates.push(ip);
    return { candidates, hasTemporaries: false, isLong: false };
  }

  /** An index that somebody is just working on looks incomplete until he is done. */
  #isCompleteNow(): boolean {
    try {
      return this.locked(() => this.#index.isComplete);
    } catch (error) {
      // A directory that nothing can be written to any more can still be read.
      if (error instanceof SyscallError) return false;
      throw error;
    }
  }

  /** True if the index says anything of an attachment, right or wrong: what an ADD that was killed wrote first. */
  isNoted(attachment: Attachment): boolean {
    return this.#index.has(attachment);
  }

  /** Of the addresses that `find` gave, those whose files say that they are the attachment's. */
  heldBy(candidates: readonly Ip[], attachment: Attachment): readonly Ip[] {
    const exact: Ip[] = [];
    const legacy: Ip[] = [];
    for (const ip of candidates) {
      const match = matchOwner(this.reservationOf(ip)?.owner, attachment);
      if (match === 'exact') exact.push(ip);
      else if (match === 'legacy') legacy.push(ip);
    }
    // An old record names no interface; upstream takes it for ours only where no newer one is.
    return exact.length > 0 ? exact : legacy;
  }

  /**
   * Completes the index, so that the next calls need not look at every file. Nobody waits for it: the directory is
   * locked at the beginning and at the end only. Calls of ours go on meanwhile and note what they do; if somebody else
   * changes the directory, or if there is more than one call should be kept by, the rest is the next one's.
   */
  completeIndex(): void {
    try {
      const stamp = this.#withLock(() => this.#index.begin());
      if (stamp === undefined) return;
      let added = 0;
      for (const { ip, owner } of this.reservations()) {
        if (!owner || !this.#index.add(owner, ip)) continue;
        added++;
        // A DEL since it was read knew nothing of this entry. One that comes from here on does.
        if (!isSameOwner(this.reservationOf(ip)?.owner, owner)) this.#withLock(() => this.forget(owner));
        if (added === maxAdded) return;
      }
      this.#withLock(() => this.#index.end(stamp));
    } catch {
      // It is only a shortcut, and what this call was for is done.
    }
  }

  /**
   * Removes entries of the index that lead to nothing: what ADDs left that failed or were killed.
   *
   * @param known what was given out a moment ago: entries of those owners are not looked at
   */
  cleanIndex(known: readonly Reservation[]): void {
    const owners = new Set<string>();
    for (const { owner } of known) if (owner) owners.add(`${owner.containerId}:${owner.ifname ?? ''}`);
    for (const owner of this.#index.owners()) {
      if (!owners.has(`${owner.containerId}:${owner.ifname ?? ''}`)) this.locked(() => this.forget(owner));
    }
  }

  /**
   * The addresses whose files begin with the container's id. Takes a fifth of the time of `reservations`, for it looks
   * at the first bytes of every file only.
   */
  #scan(containerId: string): Scan {
    const wanted = new TextEncoder().encode(containerId);
    const start = new Uint8Array(wanted.length);
    const candidates: Ip[] = [];
    let hasTemporaries = false;
    for (const { name, type } of readDir(this.directory)) {
      if (isTemporary(name)) hasTemporaries = true;
      if (type === 'dir' || !startsAsAddress(name)) continue;
      const length = readStart(this.#path(name), start);
      if (length !== wanted.length || !startsWith(start, wanted)) continue;
      const ip = addressOfFile(name);
      if (ip) candidates.push(ip);
    }
    return { candidates, hasTemporaries, isLong: true };
  }

  /** Removes what a killed ADD left half-written. Needs the lock: an ADD's own file lives only while it holds it. */
  removeTemporaries(): void {
    for (const { name } of readDir(this.directory)) if (isTemporary(name)) unlinkIfExists(this.#path(name));
  }

  /** As `locked`, without keeping the stamp: for those who set it. */
  #withLock<T>(fn: () => T): T {
    using _held = this.#lock();
    return fn();
  }

  #lock(): Disposable {
    try {
      return lock(this.#path('lock'), lockTimeoutMs);
    } catch (cause) {
      if (!(cause instanceof Error && cause.name === 'LockTimeout')) throw cause;
      throw tryAgainLater(`another process has held ${this.#path('lock')} for ${lockTimeoutMs / 1000} s`, {
        details: `find it with "fuser ${this.#path('lock')}"`,
        cause,
      });
    }
  }

  #path(name: string): string {
    return `${this.directory}/${name}`;
  }
}

function isSameOwner(owner: Owner | undefined, other: Owner): boolean {
  return owner?.containerId === other.containerId && owner.ifname === other.ifname;
}

/** Every address in text begins with a digit of its base or a colon; `lock` and `last_reserved_ip.0` do not. */
function startsAsAddress(name: string): boolean {
  const first = name.charCodeAt(0);
  return (first >= 0x30 && first <= 0x3a) || (first >= 0x61 && first <= 0x66);
}

/** Also true for a file that begins with white space, which readers leave out (record.ts). */
function startsWith(bytes: Uint8Array, wanted: Uint8Array): boolean {
  // From the end: ids that runtimes count up differ there.
  for (let at = wanted.length - 1; at >= 0; at--)
    if (bytes[at] !== wanted[at]) return (bytes[0] ?? 0) <= 0x20;
  return true;
}
