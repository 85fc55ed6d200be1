import { UsageError } from '../../shared/config/usage-error.ts';
import { isErrno } from '../../shared/sys/errno.ts';

/** Says what went wrong and what to do; returns the exit code: 2 for a wish that cannot be fulfilled, else 1. */
export function reportFailure(program: string, error: unknown): number {
  const message = error instanceof Error ? error.message : String(error);
  const advice = isErrno(error, 'EACCES', 'EPERM', 'EROFS')
    ? ' (run as root, with the file system writable)'
    : '';
  process.stderr.write(`underpod ${program}: ${message}${advice}\n`);
  if (error instanceof UsageError) return 2;
  process.stderr.write(`underpod ${program}: stopped half-way; running it again goes on from here\n`);
  return 1;
}
