import { isErrno } from '../../../shared/sys/errno.ts';
import type { OwnedFd } from '../../../shared/sys/fd.ts';
import { openNetns } from '../../../shared/sys/netns.ts';
import { invalidNetns } from '../../protocol/error.ts';

/** Opens the container's network namespace. Throws code 8 when the path names none. */
export function openPodNetns(path: string): OwnedFd {
  try {
    return openNetns(path);
  } catch (cause) {
    throw invalidNetns(`CNI_NETNS ${JSON.stringify(path)} cannot be opened: the sandbox may be gone`, {
      details: cause instanceof Error ? cause.message : String(cause),
      cause,
    });
  }
}

/**
 * As openPodNetns for DEL, which works without: undefined where nothing is there (ENOENT), where only the file is left
 * that the namespace was mounted on, or where the process whose namespace it was has ended (ESRCH).
 */
export function openPodNetnsIfExists(path: string | undefined): OwnedFd | undefined {
  if (path === undefined) return undefined;
  try {
    return openNetns(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ESRCH')) return undefined;
    if (error instanceof Error && error.name === 'NotNetnsError') return undefined;
    throw error;
  }
}
