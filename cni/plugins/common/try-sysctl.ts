import { isErrno } from '../../../shared/sys/errno.ts';
import { writeSysctl } from '../../../shared/sys/sysctl.ts';

/** Sets a parameter that makes things better where the kernel has it and lets it be set; tells whether it was. */
export function trySysctl(key: string, value: string): boolean {
  try {
    writeSysctl(key, value);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EROFS', 'EACCES')) return false;
    throw error;
  }
}
