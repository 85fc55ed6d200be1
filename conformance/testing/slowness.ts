import { readFileSync } from 'node:fs';

/** On the kernel's command line in the VM of `conformance/vm`. */
export const VM_MARK: string = 'underpod.vm';

/** Whether this is the guest of `conformance/vm`. */
export const isVm: boolean = readFileSync('/proc/cmdline', 'utf8').includes(VM_MARK);

/**
 * By how much limits of time are stretched here: 1, or 30 in the VM without KVM, where every instruction is translated
 * (10 times slower) and a test may share the processors with another. For limits that say "this hangs": a budget is no
 * outcome there, so its test skips itself.
 */
export const slowness: number = isVm ? 30 : 1;
