/** Names the life of this network namespace: what the kernel's tables last for. */

import { readlink, readText } from '../../../shared/sys/file.ts';

/** The boot of the kernel, and the namespace in it, which a lab's nodes and some containers have of their own. */
export function bootOf(): string {
  return `${readText('/proc/sys/kernel/random/boot_id').trim()} ${readlink('/proc/self/ns/net')}`;
}
