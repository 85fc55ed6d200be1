/** Directory listings through getdents64(2). */

import { O } from './constants.ts';
import type { Fd } from './fd.ts';
import { openFile } from './file.ts';
import { syscall } from './syscall.ts';

/** One name in a directory. File systems that do not tell types report `other`. */
export interface DirectoryEntry {
  readonly name: string;
  readonly type: 'file' | 'dir' | 'link' | 'other';
}

/** DT_* of include/linux/fs_types.h. */
const types: Readonly<Record<number, DirectoryEntry['type']>> = { 4: 'dir', 8: 'file', 10: 'link' };

const decoder = new TextDecoder();

/** As a DirectoryEntry; the name in the bytes that the file system has, which need not be UTF-8. */
export interface RawEntry {
  readonly name: Uint8Array;
  readonly type: DirectoryEntry['type'];
}

/**
 * The entries of a directory without `.` and `..`, in the file system's order.
 *
 * @throws SyscallError ENOENT, ENOTDIR
 */
export function readDir(path: string): DirectoryEntry[] {
  using directory = openFile(path, O.RDONLY | O.DIRECTORY);
  const entries: DirectoryEntry[] = [];
  for (;;) {
    const some = readSomeEntries(directory.fd, path);
    if (!some) return entries;
    for (const { name, type } of some) entries.push({ name: decoder.decode(name), type });
  }
}

/**
 * The next entries of an open directory, as many as fit 32 KiB, without `.` and `..`; undefined at its end.
 *
 * @param path for the error's message
 */
export function readSomeEntries(fd: Fd, path: string): RawEntry[] | undefined {
  const buffer = new Uint8Array(32 * 1024);
  const length = syscall('getdents64', path, fd, buffer, buffer.length);
  if (length === 0) return undefined;
  const view = new DataView(buffer.buffer);
  const entries: RawEntry[] = [];
  // struct linux_dirent64: ino u64, off s64, reclen u16, type u8, name.
  for (let offset = 0; offset < length; ) {
    const start = offset + 19;
    const name = buffer.slice(start, buffer.indexOf(0, start));
    if (!isDots(name)) entries.push({ name, type: types[buffer[offset + 18] ?? 0] ?? 'other' });
    offset += view.getUint16(offset + 16, true);
  }
  return entries;
}

/** `.` or `..` */
function isDots(name: Uint8Array): boolean {
  return name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e));
}
