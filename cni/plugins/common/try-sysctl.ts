import { isErrno } from '../../../shared/sys/errno.ts';
import { writeSysctl } from '../../../shared/sys/sysctl.ts';

/** Sets a parameter that makes things better where the kernel has it and lets it be set. */
export function trySysctl(key: string, value: string): void {
  try {
    writeSysctl(key, value);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'EROFS', 'EACCES')) throw error;
  }
}
