/** What root may do here: containers and sandboxes have less of it than the machine. */

import { readText } from './file.ts';

/** Numbers: include/uapi/linux/capability.h */
export const CAP = { SYS_ADMIN: 21, SYS_RESOURCE: 24 } as const;

/** Whether the calling thread has a capability in effect. @param capability one of CAP */
export function hasCapability(capability: number): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readText('/proc/thread-self/status'))?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> BigInt(capability)) & 1n) === 1n;
}
