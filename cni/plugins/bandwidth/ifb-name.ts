/** The ifb device that a pod's outgoing packets take their way by. Pure. */

import { sha512 } from '../common/masquerade-rules.ts';

/** IFNAMSIZ − 1 of linux/if.h; upstream fills it. */
const nameLength = 15;

/** Upstream's name: `bwp` and 12 hex digits, of network and container (not of the interface). */
export function ifbName(network: string, containerId: string): string {
  return `bwp${sha512(network + containerId)}`.slice(0, nameLength);
}
