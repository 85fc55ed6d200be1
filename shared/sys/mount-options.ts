/** Options of mount(8)'s -o, as mount(2) wants them.. */

import { MS } from './constants.ts';

/** What mount(2) is given. */
export interface MountFlags {
  /** A union of MS.* */
  readonly flags: number;
  /** What only the file system understands. */
  readonly data: readonly string[];
}

/** What each sets; with a minus what it takes away. Names: mount(8), "Filesystem-independent mount options". */
const FLAGS: Readonly<Record<string, number>> = {
  ro: MS.RDONLY,
  rw: -MS.RDONLY,
  nosuid: MS.NOSUID,
  suid: -MS.NOSUID,
  nodev: MS.NODEV,
  dev: -MS.NODEV,
  noexec: MS.NOEXEC,
  exec: -MS.NOEXEC,
  sync: MS.SYNCHRONOUS,
  async: -MS.SYNCHRONOUS,
  dirsync: MS.DIRSYNC,
  nosymfollow: MS.NOSYMFOLLOW,
  symfollow: -MS.NOSYMFOLLOW,
  noatime: MS.NOATIME,
  atime: -MS.NOATIME,
  nodiratime: MS.NODIRATIME,
  diratime: -MS.NODIRATIME,
  relatime: MS.RELATIME,
  norelatime: -MS.RELATIME,
  strictatime: MS.STRICTATIME,
  nostrictatime: -MS.STRICTATIME,
  lazytime: MS.LAZYTIME,
  nolazytime: -MS.LAZYTIME,
  defaults: 0,
};

/** The later of two that contradict each other wins. */
export function mountFlags(options: readonly string[]): MountFlags {
  let flags = 0;
  const data: string[] = [];
  for (const option of options) {
    const flag = Object.hasOwn(FLAGS, option) ? FLAGS[option] : undefined;
    if (flag === undefined) data.push(option);
    else flags = flag >= 0 ? flags | flag : flags & ~-flag;
  }
  return { flags, data };
}

/** Of one mount, whatever its file system: the only ones that a bind mount can have of its own (mount_setattr(2)). */
export const PER_MOUNT: number =
  MS.RDONLY |
  MS.NOSUID |
  MS.NODEV |
  MS.NOEXEC |
  MS.NOSYMFOLLOW |
  MS.NOATIME |
  MS.NODIRATIME |
  MS.RELATIME |
  MS.STRICTATIME;
