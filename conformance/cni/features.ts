/** What the plugin types, and parts of them, need of the kernel, and which of them are to be tried in this run. */

import { type KernelFeature, kernelHas } from '../testing/kernel-features.ts';

const needs: Readonly<Record<string, readonly KernelFeature[]>> = {
  bandwidth: ['ifb', 'tbf'],
  bridge: ['bridge'],
  'bridge with VLANs': ['bridge-vlan-filtering'],
  dummy: ['dummy'],
  ipvlan: ['ipvlan'],
  macvlan: ['macvlan'],
  sbr: ['policy-routing'],
  tap: ['tap'],
  vlan: ['vlan'],
  vrf: ['vrf'],
};

/** What kernels that are built for one kind of machine leave out. Debian's have it. */
const rare: readonly KernelFeature[] = ['bridge-vlan-filtering', 'dummy', 'ipvlan', 'vlan', 'vrf'];

/** Whether types, or parts of them, can work on this kernel; why not is printed once. */
export function canWork(...types: readonly string[]): boolean {
  return kernelHas(...types.flatMap((type) => needs[type] ?? []));
}

/**
 * False where time is short, as in CI's VM, in which everything takes ten times as long: UNDERPOD_ONLY=rare leaves what
 * any kernel would do for to the machine's own, and what no kernel makes a difference to.
 */
export const isThorough: boolean = process.env['UNDERPOD_ONLY'] !== 'rare';

/** Whether a test of these types, or parts of them, is to run. */
export function isWanted(...types: readonly string[]): boolean {
  return isThorough || types.some((type) => needs[type]?.some((feature) => rare.includes(feature)));
}
