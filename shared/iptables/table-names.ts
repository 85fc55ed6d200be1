/**
 * Which of legacy iptables' tables a network namespace has. Whoever watches them asks once a second for good: the kernel's list
 * is kept open, since opening it takes several times as long as reading it.
 */

import { O } from '../sys/constants.ts';
import { isErrno, SyscallError } from '../sys/errno.ts';
import type { OwnedFd } from '../sys/fd.ts';
import { openFile } from '../sys/file.ts';
import { trySyscall } from '../sys/syscall.ts';

const FILES = { 4: 'ip_tables_names', 6: 'ip6_tables_names' } as const;
/** There are five: raw, mangle, nat, filter and security, one a line. */
const ROOM = 256;
/** What reading says once the module is gone that had made the list. */
const EIO = 5;

export class TableNames implements Disposable {
  readonly #path: string;
  readonly #buffer = new Uint8Array(ROOM);
  #file: OwnedFd | undefined;

  /** The namespace is that of the thread that asks first. */
  constructor(family: 4 | 6) {
    this.#path = `/proc/thread-self/net/${FILES[family]}`;
  }

  /**
   * Whether there is such a table. Nothing makes one by asking here.
   *
   * @throws SyscallError
   */
  has(table: string): boolean {
    const length = this.#read();
    return (
      length > 0 && new TextDecoder().decode(this.#buffer.subarray(0, length)).split('\n').includes(table)
    );
  }

  [Symbol.dispose](): void {
    this.#file?.close();
    this.#file = undefined;
  }

  /** How many bytes of the buffer are the list. */
  #read(): number {
    this.#file ??= this.#open();
    if (!this.#file) return 0;
    const length = trySyscall('pread64', this.#file.fd, this.#buffer, ROOM, 0);
    if (length >= 0) return length;
    this[Symbol.dispose]();
    if (length !== -EIO) throw new SyscallError('pread64', -length, this.#path);
    // The module may have come back.
    this.#file = this.#open();
    return this.#file ? Math.max(0, trySyscall('pread64', this.#file.fd, this.#buffer, ROOM, 0)) : 0;
  }

  /** `undefined` without the module: then there are no tables. */
  #open(): OwnedFd | undefined {
    try {
      return openFile(this.#path, O.RDONLY);
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    }
  }
}
