/** Whether the kernel's clock is kept right by somebody. */

import { trySyscall } from './syscall.ts';

/** sizeof(struct timex) and the offset of its `status` on 64-bit machines (include/uapi/linux/timex.h). */
const TIMEX_SIZE = 208;
const STATUS = 40;
/** STA_UNSYNC of the same header. */
const UNSYNCHRONISED = 0x40;

/** adjtimex(2), changing nothing; `undefined` where it is not permitted, as in many containers. */
export function isClockSynchronised(): boolean | undefined {
  const timex = new Uint8Array(TIMEX_SIZE);
  if (trySyscall('adjtimex', timex) < 0) return undefined;
  return (new DataView(timex.buffer).getInt32(STATUS, true) & UNSYNCHRONISED) === 0;
}
