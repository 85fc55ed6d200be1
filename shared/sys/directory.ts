/** Directory listings through getdents64(2). */

import { O } from './constants.ts';
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

/**
 * The entries of a directory without `.` and `..`, in the file system's order.
 *
 * @throws SyscallError ENOENT, ENOTDIR
 */
export function readDir(path: string): DirectoryEntry[] {
  using directory = openFile(path, O.RDONLY | O.DIRECTORY);
  const entries: DirectoryEntry[] = [];
  const buffer = new Uint8Array(32 * 1024);
  const view = new DataView(buffer.buffer);
  for (;;) {
    const length = syscall('getdents64', path, directory.fd, buffer, buffer.length);
    if (length === 0) return entries;
    // struct linux_dirent64: ino u64, off s64, reclen u16, type u8, name.
    for (let offset = 0; offset < length; ) {
      const size = view.getUint16(offset + 16, true);
      const start = offset + 19;
      const end = buffer.indexOf(0, start);
      const name = decoder.decode(buffer.subarray(start, end));
      if (name !== '.' && name !== '..')
        entries.push({ name, type: types[buffer[offset + 18] ?? 0] ?? 'other' });
      offset += size;
    }
  }
}
