/** The kernel's switches for forwarding, and what has to be set beside them. */

import { acceptRaToRaise } from '../../shared/netlink/router-advertisements.ts';
import type { ObservedNetwork } from './network/observed.ts';

/** One parameter and the value that it should have. */
export interface Sysctl {
  readonly key: string;
  readonly value: string;
}

/** True for a parameter without which no packet of a pod leaves the node. */
export function isSwitch(key: string): boolean {
  return isGlobalSwitch(key) || key.endsWith('/forwarding');
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

/** The switches that, turned on, turn on those of all interfaces there are (ip-sysctl.rst). */
const GLOBAL = { 4: 'net/ipv4/ip_forward', 6: 'net/ipv6/conf/all/forwarding' } as const;

/** True for a parameter whose change changes those of interfaces: what they need is to be asked again. */
export function isGlobalSwitch(key: string): boolean {
  return key === GLOBAL[4] || key === GLOBAL[6];
}

/** Parameters that have another value than they should, in the order in which they have to be set. */
export function planForwarding(input: ForwardingInput, read: (key: string) => string | undefined): Sysctl[] {
  return wantedForwarding(input, read).filter(({ key, value }) => {
    const current = read(key);
    return current !== undefined && current !== value;
  });
}

/**
 * All parameters that matter as they are set now, with the values that they should have.
 *
 * @param read the current value; `undefined` where the kernel has no such parameter
 */
export function wantedForwarding(
  input: ForwardingInput,
  read: (key: string) => string | undefined,
): Sysctl[] {
  const wanted: Sysctl[] = [];
  if (input.v4) wanted.push(...switches(4, input, read));
  if (input.v6) {
    // Where forwarding is on already, too: whoever switched it on need not have thought of this.
    const { observed, underlays, devices } = input;
    for (const key of acceptRaToRaise(observed, read, { underlays, deaf: devices })) {
      wanted.push({ key, value: '2' });
    }
    wanted.push(...switches(6, input, read));
  }
  for (const device of input.devices) {
    // A node where IPv6 is off by default has it off on new devices, which then take no address.
    if (input.v6) wanted.push({ key: `net/ipv6/conf/${device}/disable_ipv6`, value: '0' });
    wanted.push({ key: `net/ipv6/conf/${device}/accept_ra`, value: '0' });
    // A strict check of sources would drop what comes back by another way; the kernel takes the larger of this and
    // conf/all, so loose (2) has to be set here. With 0 or 2 nothing is lost.
    const strict =
      read('net/ipv4/conf/all/rp_filter') === '1' || read(`net/ipv4/conf/${device}/rp_filter`) === '1';
    if (strict) wanted.push({ key: `net/ipv4/conf/${device}/rp_filter`, value: '2' });
  }
  return wanted;
}

/**
 * The switch of all interfaces, or, once that is on, those of the interfaces that pods' packets come in by: the kernel
 * asks the interface's own (IN_DEV_FORWARD, include/linux/inetdevice.h), and a new interface starts with conf/default.
 */
function switches(
  family: 4 | 6,
  { devices, underlays }: ForwardingInput,
  read: (key: string) => string | undefined,
): Sysctl[] {
  if (read(GLOBAL[family]) !== '1') return [{ key: GLOBAL[family], value: '1' }];
  return [...new Set([...devices, ...underlays])].map((name) => ({
    key: `net/ipv${family}/conf/${name}/forwarding`,
    value: '1',
  }));
}
