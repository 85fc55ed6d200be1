/** The disk below a root, as the plan reads it. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readDir } from '../../shared/sys/directory.ts';
import { isErrno } from '../../shared/sys/errno.ts';
import { readlink } from '../../shared/sys/file.ts';
import { isDirectory, isLink, lstat } from '../../shared/sys/stat.ts';

export interface Disk {
  /** The real path of a path as the node sees it. */
  real(path: string): string;
  exists(path: string): boolean;
  isDirectory(path: string): boolean;
  /** The target of a symbolic link, `undefined` for anything else. */
  linkTarget(path: string): string | undefined;
  /** What `path` holds, equal for equal content (a link: where it leads); `undefined` when it is not there. */
  digest(path: string): Promise<string | undefined>;
  /** Names in a directory, sorted; none where there is no directory. */
  list(directory: string): string[];
}

/** @param root prefix of every path, '' for the machine itself */
export function openDisk(root: string): Disk {
  const real = (path: string): string => root + path;
  const status = (path: string): ReturnType<typeof lstat> | undefined => {
    try {
      return lstat(real(path));
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    }
  };
  return {
    real,
    exists: (path) => status(path) !== undefined,
    isDirectory(path) {
      const found = status(path);
      return found !== undefined && isDirectory(found);
    },
    linkTarget(path) {
      const found = status(path);
      return found !== undefined && isLink(found) ? readlink(real(path)) : undefined;
    },
    async digest(path) {
      const found = status(path);
      if (found === undefined) return undefined;
      return isLink(found) ? `link:${readlink(real(path))}` : await digestFile(real(path));
    },
    list(directory) {
      try {
        return readDir(real(directory))
          .filter(({ type }) => type !== 'dir')
          .map(({ name }) => name)
          .sort();
      } catch (error) {
        if (isErrno(error, 'ENOENT')) return [];
        throw error;
      }
    },
  };
}

/** `sha256:…` of a file, read in pieces: the executable has 110 MB. */
export async function digestFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(piece);
  return `sha256:${hash.digest('hex')}`;
}

export function digestText(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}
