/** The kernel's switches for forwarding, and what has to be set beside them. */

import { acceptRaToRaise } from '../../shared/netlink/router-advertisements.ts';
import type { ObservedNetwork } from './network/observed.ts';

/** One parameter and the value that it should have. */
export interface Sysctl {
  readonly key: string;
  readonly value: string;
}

export interface ForwardingInput {
  readonly v4: boolean;
  readonly v6: boolean;
  readonly observed: ObservedNetwork;
  /** The backend's devices. */
  readonly devices: readonly string[];
  /** Names of the interfaces that reach the other nodes. */
  readonly underlays: readonly string[];
}

/**
 * Parameters that have another value than they should, in the order in which they have to be set.
 *
 * @param read the current value; `undefined` where the kernel has no such parameter
 */
export function planForwarding(input: ForwardingInput, read: (key: string) => string | undefined): Sysctl[] {
  const wanted: Sysctl[] = [];
  if (input.v4) wanted.push({ key: 'net/ipv4/ip_forward', value: '1' });
  if (input.v6 && read('net/ipv6/conf/all/forwarding') !== '1') {
    const known = { underlays: input.underlays, deaf: input.devices };
    for (const key of acceptRaToRaise(input.observed, read, known)) wanted.push({ key, value: '2' });
    wanted.push({ key: 'net/ipv6/conf/all/forwarding', value: '1' });
  }
  for (const device of input.devices) {
    wanted.push({ key: `net/ipv6/conf/${device}/accept_ra`, value: '0' });
    // A strict check of sources would drop what comes back by another way; the kernel takes the larger of this and
    // conf/all, so loose (2) has to be set here. With 0 or 2 nothing is lost.
    const strict =
      read('net/ipv4/conf/all/rp_filter') === '1' || read(`net/ipv4/conf/${device}/rp_filter`) === '1';
    if (strict) wanted.push({ key: `net/ipv4/conf/${device}/rp_filter`, value: '2' });
  }
  return wanted.filter(({ key, value }) => {
    const current = read(key);
    return current !== undefined && current !== value;
  });
}
