/**
 * A child process that makes one system call and ends.
 *
 * For requests whose sender the kernel keeps waiting when all that matters is done: whoever deletes a link sees it gone
 * after a millisecond and is held for RCU's grace periods, 10 to 40 ms. A thread would not help, since a process waits
 * for its threads when it exits.
 *
 * The child is a copy of this process by clone(2) without its other threads, and runs on in these very functions. So it
 * must not allocate, wait for anything, or call more than these few system calls. For short-lived programs only: in one
 * with much memory the copy takes long.
 */

import { CLONE_PROCESS, MADV } from './constants.ts';
import { type Fd, OwnedFd } from './fd.ts';
import { readText } from './file.ts';
import { trySyscall } from './syscall.ts';

/** close_range(2): no upper end. */
const LAST_FD = 0xffff_ffff;

const SIGKILL = 9;

/**
 * Has a child send `bytes` to the socket `fd`. It closes all other descriptors first, except those of `keep`: the last
 * close of some sockets waits as well, and then comes from the child.
 *
 * The child is nobody's business: its end sends no signal, and the init process reaps it.
 *
 * @returns a pidfd, readable once the child has ended; undefined where there is no child, and nothing was sent
 */
export function sendFromChild(fd: Fd, bytes: Uint8Array, keep: readonly Fd[] = []): OwnedFd | undefined {
  const pidfd = startChild([fd, ...keep]);
  if (pidfd !== 'child') return pidfd;
  trySyscall('sendto', fd, bytes, bytes.length, 0, 0, 0);
  for (;;) trySyscall('exit_group', 0);
}

/** Returns twice, as fork(2) does: the pidfd here, 'child' there, where only the descriptors of `keep` are left. */
function startChild(keep: readonly Fd[]): OwnedFd | undefined | 'child' {
  if (!copyCompiledCode()) return undefined;
  const kept = [...keep].sort((a, b) => a - b);
  const pidfd = new Int32Array(1);
  const result = trySyscall('clone', CLONE_PROCESS.PIDFD, 0, pidfd);
  if (result !== 0) return result < 0 ? undefined : new OwnedFd(pidfd[0] as number);
  let from = 0;
  for (let index = 0; index < kept.length; index++) {
    const next = kept[index] as number;
    if (next > from) trySyscall('close_range', from, next - 1, 0);
    from = next + 1;
  }
  trySyscall('close_range', from, LAST_FD, 0);
  return 'child';
}

/** Ends a child that should have ended long ago. */
export function killChild(pidfd: OwnedFd): void {
  trySyscall('pidfd_send_signal', pidfd.fd, SIGKILL, 0, 0);
}

/**
 * The runtime keeps the memory of its compiled code out of forks (MADV_DONTFORK), for it starts programs and does not
 * fork. The child needs it to return from the very call that made it. False where that memory is not found.
 */
function copyCompiledCode(): boolean {
  const maps = readText('/proc/self/maps');
  const end = maps.indexOf(' rwxp ');
  if (end < 0) return false;
  const [from = '', to = ''] = maps.slice(maps.lastIndexOf('\n', end) + 1, end).split('-');
  const start = Number.parseInt(from, 16);
  return trySyscall('madvise', start, Number.parseInt(to, 16) - start, MADV.DOFORK) === 0;
}
