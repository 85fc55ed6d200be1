/** Keeps the kernel's switches for forwarding as they should be. */

import type { Underlays } from './backends/backend.ts';
import { type ForwardingInput, isGlobalSwitch, planForwarding } from './forwarding.ts';
import type { Kernel } from './kernel/kernel.ts';

export interface ForwardingSyncOptions {
  readonly kernel: Kernel;
  readonly families: { readonly v4: boolean; readonly v6: boolean };
  /** The backend's devices. */
  readonly devices: readonly string[];
  /** Asked before a parameter is set again that was right before. */
  readonly allowRepair: (key: string) => boolean;
}

export class ForwardingSync {
  readonly #options: ForwardingSyncOptions;
  /** Parameters that were set: one of them that differs was changed by somebody. */
  readonly #set = new Set<string>();

  constructor(options: ForwardingSyncOptions) {
    this.#options = options;
  }

  /** Sets what differs. @throws SyscallError, for instance EROFS in a container without the right */
  sync({ v4, v6 }: Underlays): void {
    const { kernel, families, devices } = this.#options;
    const input = {
      ...families,
      observed: kernel.readNetwork([]),
      devices,
      underlays: [v4, v6].flatMap((underlay) => underlay?.name ?? []),
    };
    // The first time round may set what the switches of interfaces follow.
    if (this.#setAll(input)) this.#setAll(input);
  }

  /** True if a switch was set that others follow. */
  #setAll(input: ForwardingInput): boolean {
    const { kernel, allowRepair } = this.#options;
    let followed = false;
    for (const { key, value } of planForwarding(input, (name) => kernel.readSysctl(name))) {
      if (this.#set.has(key) && !allowRepair(key)) continue;
      kernel.writeSysctl(key, value);
      this.#set.add(key);
      followed ||= isGlobalSwitch(key);
    }
    return followed;
  }

  /** A device was made anew, and has the kernel's own settings again. */
  devicesChanged(): void {
    for (const key of this.#set) {
      if (this.#options.devices.some((device) => key.includes(`/${device}/`))) this.#set.delete(key);
    }
  }
}
