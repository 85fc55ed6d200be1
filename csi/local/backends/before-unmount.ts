/** What is done before a volume is unmounted. */

import { SyscallError } from '../../../shared/sys/errno.ts';
import { readText } from '../../../shared/sys/file.ts';
import { writeOut } from './still.ts';

/** Less than this is written out at once, in bytes. */
const LITTLE = 16 * 1024 * 1024;

/**
 * Writes out what the file system at `target` holds back: unmounting would do it with the event loop standing still, on a slow
 * disk for as long as a pod's last gigabyte takes. Nothing where the whole machine holds little back. What is wrong with it,
 * unmounting will say.
 */
export async function beforeUnmount(target: string): Promise<void> {
  if (heldBack(readText('/proc/meminfo')) < LITTLE) return;
  try {
    await writeOut(target);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
  }
}

/** Bytes that wait to be written, or are being written, by the text of /proc/meminfo (proc_meminfo(5)). */
export function heldBack(meminfo: string): number {
  let kilobytes = 0;
  for (const [, count] of meminfo.matchAll(/^(?:Dirty|Writeback):\s+(\d+) kB$/gm)) kilobytes += Number(count);
  return kilobytes * 1024;
}
