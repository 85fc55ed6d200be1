/** Filters in the kernel that say what a socket is given at all (SO_ATTACH_FILTER of socket(7)). */

import { SO, SOL } from './constants.ts';
import type { Fd } from './fd.ts';
import { addressOf, syscall } from './syscall.ts';

/** One instruction of classic BPF: struct sock_filter of include/uapi/linux/filter.h. */
export interface FilterInstruction {
  readonly code: number;
  /** How many instructions to leave out where a comparison holds, or does not. */
  readonly jt?: number;
  readonly jf?: number;
  readonly k: number;
}

/**
 * Attaches a filter; what came before is not looked at again.
 *
 * struct sock_fprog: length u16, six bytes of padding, pointer to struct sock_filter.
 */
export function attachFilter(fd: Fd, filter: readonly FilterInstruction[]): void {
  // In memory of its own, which is kept until the call is over: the kernel gets its address.
  const program = new Uint8Array(new ArrayBuffer(8 * filter.length));
  const view = new DataView(program.buffer);
  filter.forEach(({ code, jt = 0, jf = 0, k }, index) => {
    view.setUint16(8 * index, code, true);
    view.setUint8(8 * index + 2, jt);
    view.setUint8(8 * index + 3, jf);
    view.setUint32(8 * index + 4, k, true);
  });
  const header = new Uint8Array(16);
  const headerView = new DataView(header.buffer);
  headerView.setUint16(0, filter.length, true);
  headerView.setBigUint64(8, BigInt(addressOf(program)), true);
  syscall('setsockopt', 'a filter', fd, SOL.SOCKET, SO.ATTACH_FILTER, header, header.length);
  // Still referred to here, so that it has not been collected before.
  if (program.byteLength === 0) throw new Error('a filter without instructions');
}
