/**
 * Which addresses an attachment holds, without opening the file of every address that is given out.
 *
 * `<dataDir>/.underpod/<network>/<containerID>:<ifname>.<n>` is a symbolic link to the n-th address of the attachment
 * (a link is made in one step, content and all, and read in one). It is made before the address's file, and goes after
 * it, so that every address of ours has one at any moment; one that leads to an address of somebody else says nothing.
 * Whoever reads it looks at the address's file, which alone decides.
 *
 * Upstream's plugin knows nothing of this and adds files of its own. That must not go unseen, so our calls, as the last
 * thing before they leave the directory's lock, set its time of last change to a stamp: a time in the past that the
 * kernel never sets itself. `stamp` in the index repeats it once the index is known to name every file. Any name that
 * anybody else makes or removes, and any call of ours that is killed in between, takes the stamp away; then all files
 * are read as upstream does, and the index is completed. File systems keep the order of these changes through a power
 * cut, as all are names and times (ext4, XFS and Btrfs; that both directories are on one file system is checked).
 */

import type { Ip } from '../../../shared/ip/ip.ts';
import { formatIp, parseIp } from '../../../shared/ip/ip.ts';
import { readDir } from '../../../shared/sys/directory.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import { mkdirp, readlinkIfExists, setMtime, symlink, unlinkIfExists } from '../../../shared/sys/file.ts';
import { stat } from '../../../shared/sys/stat.ts';
import { containerIdProblem, ifnameProblem } from '../../protocol/names.ts';
import { sha256 } from '../common/attachment.ts';
import type { Owner } from './record.ts';

/**
 * Seconds since the epoch, 1978 to 1987: before the clock of a board without a battery starts, in any firmware's
 * choice of 1970, 1980-01-01 with its hours, or later; and whole seconds, which every file system can keep.
 */
const [firstStamp, lastStamp] = [2 ** 28, 2 ** 29];

/** NAME_MAX of linux/limits.h is 255; this leaves room for a number. */
const maxOwnerBytes = 240;

export class OwnerIndex {
  readonly directory: string;
  readonly #addresses: string;

  /** @param addresses the network's directory */
  constructor(addresses: string) {
    const slash = addresses.lastIndexOf('/');
    this.#addresses = addresses;
    this.directory = `${addresses.slice(0, slash)}/.underpod/${addresses.slice(slash + 1)}`;
  }

  /** The stamp that the network's directory bears; undefined where somebody else changed it last. */
  get stamp(): number | undefined {
    const seconds = stat(this.#addresses).mtimeMs / 1000;
    return seconds >= firstStamp && seconds < lastStamp && Number.isInteger(seconds) ? seconds : undefined;
  }

  /** Puts a stamp on the network's directory. Needs the lock. */
  setStamp(stamp: number): void {
    setMtime(this.#addresses, stamp);
  }

  /** True if every address's file is known to have an entry. Somebody who works under the lock makes it look false. */
  get isComplete(): boolean {
    const { stamp } = this;
    return stamp !== undefined && readlinkIfExists(this.#path('stamp')) === String(stamp);
  }

  /** Addresses that the owner may hold. */
  lookup(owner: Owner): Ip[] {
    const ips: Ip[] = [];
    for (let at = 0; ; at++) {
      const target = readlinkIfExists(this.#entry(owner, at));
      if (target === undefined) return ips;
      const ip = parseIp(target);
      if (ip) ips.push(ip);
    }
  }

  /** True if there is an entry, right or wrong. */
  has(owner: Owner): boolean {
    return readlinkIfExists(this.#entry(owner, 0)) !== undefined;
  }

  /** Notes that the owner is about to get `ip`, or has it; false where that was noted before. @throws SyscallError */
  add(owner: Owner, ip: Ip): boolean {
    const target = formatIp(ip);
    for (let at = 0; ; ) {
      const path = this.#entry(owner, at);
      const present = readlinkIfExists(path);
      if (present === target) return false;
      if (present === undefined && this.#create(target, path)) return true;
      at++;
    }
  }

  /** False where somebody else was faster. */
  #create(target: string, path: string): boolean {
    try {
      symlink(target, path);
      return true;
    } catch (error) {
      if (isErrno(error, 'EEXIST')) return false;
      if (!isErrno(error, 'ENOENT')) throw error;
      mkdirp(this.directory, 0o700);
      symlink(target, path);
      return true;
    }
  }

  /** Removes the owner's entries, from the last one on, down to one whose address it holds. Needs the lock. */
  prune(owner: Owner, holds: (ip: Ip) => boolean): void {
    let count = 0;
    while (readlinkIfExists(this.#entry(owner, count)) !== undefined) count++;
    for (let at = count - 1; at >= 0; at--) {
      const path = this.#entry(owner, at);
      const ip = parseIp(readlinkIfExists(path) ?? '');
      if (ip && holds(ip)) return;
      unlinkIfExists(path);
    }
  }

  /** Puts a new stamp on the directory: from here on, calls of ours keep it. Needs the lock. Undefined where it cannot be. */
  begin(): number | undefined {
    mkdirp(this.directory, 0o700);
    if (stat(this.directory).dev !== stat(this.#addresses).dev) return undefined;
    unlinkIfExists(this.#path('stamp'));
    const random = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
    const stamp = firstStamp + (random % (lastStamp - firstStamp));
    this.setStamp(stamp);
    return stamp;
  }

  /** Says that the index is complete, unless somebody else changed the directory since `begin`. Needs the lock. */
  end(stamp: number): void {
    if (this.stamp === stamp) symlink(String(stamp), this.#path('stamp'));
  }

  /** Owners that have entries and whose name can be read from them. */
  owners(): Owner[] {
    const found: Owner[] = [];
    try {
      for (const { name, type } of readDir(this.directory)) {
        const colon = name.indexOf(':');
        if (type !== 'link' || colon <= 0 || !name.endsWith('.0')) continue;
        const ifname = name.slice(colon + 1, -2);
        found.push({ containerId: name.slice(0, colon), ifname: ifname === '' ? undefined : ifname });
      }
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    }
    return found;
  }

  /** No proper name holds a colon; what is none (a damaged file's), or would not fit, becomes a hash. */
  #entry({ containerId, ifname = '' }: Owner, at: number): string {
    const plain = `${containerId}:${ifname}`;
    const fits =
      plain.length <= maxOwnerBytes &&
      containerIdProblem(containerId) === undefined &&
      (ifname === '' || ifnameProblem(ifname) === undefined);
    return this.#path(`${fits ? plain : `#${sha256(plain)}`}.${at}`);
  }

  #path(name: string): string {
    return `${this.directory}/${name}`;
  }
}
