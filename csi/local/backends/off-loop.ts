/** Calls that wait for a disk, made by the runtime's threads, so that the event loop does not wait with them. */

import { fsync as fsyncCallback, read as readCallback, write as writeCallback } from 'node:fs';
import { errnoNumber, SyscallError } from '../../../shared/sys/errno.ts';
import type { Fd } from '../../../shared/sys/fd.ts';

/** Flushes a file or a device. @throws SyscallError EIO, ENOSPC */
export function flush(fd: Fd): Promise<void> {
  return new Promise((resolve, reject) =>
    fsyncCallback(fd, (error) => (error ? reject(asSyscallError('fsync', error)) : resolve())),
  );
}

/** Reads up to a buffer's length at an offset; less at the end of the file only. */
export async function readAt(fd: Fd, buffer: Uint8Array, offset: number): Promise<Uint8Array> {
  let done = 0;
  while (done < buffer.length) {
    const at = done;
    const count = await new Promise<number>((resolve, reject) =>
      readCallback(fd, buffer, at, buffer.length - at, offset + at, (error, n) =>
        error ? reject(asSyscallError('pread', error)) : resolve(n),
      ),
    );
    if (count === 0) break;
    done += count;
  }
  return buffer.subarray(0, done);
}

/** Writes all of `bytes` at an offset. */
export async function writeAt(fd: Fd, bytes: Uint8Array, offset: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const at = done;
    done += await new Promise<number>((resolve, reject) =>
      writeCallback(fd, bytes, at, bytes.length - at, offset + at, (error, n) =>
        error ? reject(asSyscallError('pwrite', error)) : resolve(n),
      ),
    );
  }
}

/** Lets everybody else have the event loop. @throws the signal's reason */
export async function breathe(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
  signal.throwIfAborted();
}

/** As everything else that calls the system says it. */
function asSyscallError(call: string, error: NodeJS.ErrnoException): SyscallError {
  return new SyscallError(call, errnoNumber(error.code ?? 'EIO'), undefined, { cause: error });
}
