/** What is mounted in the thread's mount namespace. */

import { readText } from './file.ts';
import { type MountEntry, parseMountInfo } from './mountinfo.ts';

/** All mounts. @throws SyscallError where /proc is not mounted */
export function readMounts(): MountEntry[] {
  return parseMountInfo(readText('/proc/thread-self/mountinfo'));
}
