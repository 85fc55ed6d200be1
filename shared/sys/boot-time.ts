import { syscall } from './syscall.ts';

/** CLOCK_BOOTTIME of include/uapi/linux/time.h. */
const CLOCK_BOOTTIME = 7;

/** Milliseconds since the kernel started, suspend included. */
export function bootTimeMs(): number {
  // struct timespec: seconds and nanoseconds, 64 bits each.
  const time = new BigInt64Array(2);
  syscall('clock_gettime', undefined, CLOCK_BOOTTIME, time);
  return Number(time[0]) * 1000 + Number(time[1]) / 1e6;
}
