/** A CNI call as a process: from environment and stdin to stdout and the exit code. */

import { isErrno } from '../../shared/sys/errno.ts';
import { readAll, writeAll } from '../../shared/sys/fd.ts';
import { exit } from '../../shared/sys/process.ts';
import { isSameFile } from '../../shared/sys/stat.ts';
import { useOwnSysctls } from '../../shared/sys/sysctl.ts';
import { dispatch } from '../protocol/dispatch.ts';
import { configTooLarge, maxConfigBytes } from '../protocol/net-conf.ts';
import type { Attaching, Plugin } from '../protocol/plugin.ts';
import { attachingWithLocks } from './common/attaching-with-locks.ts';
import { heldLockVariable } from './common/attachment-lock.ts';

/** Runs one CNI call by a plugin that has its locks, and ends the process. */
export async function runCall(plugin: Attaching & Partial<Plugin>): Promise<never> {
  useOwnSysctls();
  const answer = await dispatch(plugin, { env: process.env, stdin: readStdin, isOwnNetns });
  write(2, answer.stderr);
  write(1, answer.stdout);
  // All is written and nothing is pending: the runtime's own tear-down would cost another half millisecond.
  return exit(answer.exitCode);
}

/** Runs one ADD, DEL or VERSION. */
export async function runAttaching(
  type: string,
  about: string,
  { add, del }: Pick<Attaching, 'add' | 'del'>,
): Promise<never> {
  return await runCall(attachingWithLocks({ type, about, add, del }, process.env[heldLockVariable]));
}

function readStdin(): Uint8Array {
  try {
    return readAll(0, maxConfigBytes, 'stdin');
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw configTooLarge();
  }
}

/** Namespaces are the same when their files in nsfs are. */
function isOwnNetns(path: string): boolean {
  try {
    return isSameFile(path, '/proc/thread-self/ns/net');
  } catch {
    return false;
  }
}

function write(fd: 1 | 2, text: string): void {
  if (text === '') return;
  try {
    writeAll(fd, new TextEncoder().encode(text));
  } catch (error) {
    // The runtime has gone; it will call DEL.
    if (!isErrno(error, 'EPIPE', 'EBADF')) throw error;
  }
}
