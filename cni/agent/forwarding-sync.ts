/** Keeps the kernel's switches for forwarding as they should be. */

import type { Logger } from '../../shared/log/logger.ts';
import { isErrno } from '../../shared/sys/errno.ts';
import type { Underlays } from './backends/backend.ts';
import {
  type ForwardingInput,
  isGlobalSwitch,
  isSwitch,
  type Sysctl,
  wantedForwarding,
} from './forwarding.ts';
import type { Kernel } from './kernel/kernel.ts';

export interface ForwardingSyncOptions {
  readonly kernel: Kernel;
  readonly log: Logger;
  readonly families: { readonly v4: boolean; readonly v6: boolean };
  /** The backend's devices. */
  readonly devices: readonly string[];
  /** Asked before a parameter is set again that was right before. */
  readonly allowRepair: (key: string) => boolean;
}

export class ForwardingSync {
  readonly #options: ForwardingSyncOptions;
  /** Parameters that were right once: one of them that differs was changed by somebody. */
  readonly #right = new Set<string>();
  /** Parameters that this process may not set, and that it has said so of. */
  readonly #refused = new Set<string>();

  constructor(options: ForwardingSyncOptions) {
    this.#options = options;
  }

  /**
   * Sets what differs.
   *
   * @throws Error where forwarding is off and cannot be switched on, as in a container with a read-only /proc/sys
   */
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
    for (const { key, value } of wantedForwarding(input, (name) => kernel.readSysctl(name))) {
      const current = kernel.readSysctl(key);
      if (current === undefined) continue;
      if (current !== value) {
        if (this.#right.has(key) && !allowRepair(key)) continue;
        if (!this.#write({ key, value })) continue;
        followed ||= isGlobalSwitch(key);
      }
      this.#right.add(key);
    }
    return followed;
  }

  /**
   * False where this process may not and pods can do without: then the node's own settings rule, as they do under
   * flanneld, which does not set these.
   */
  #write({ key, value }: Sysctl): boolean {
    const { kernel, log } = this.#options;
    try {
      kernel.writeSysctl(key, value);
      return true;
    } catch (error) {
      if (!isErrno(error, 'EROFS', 'EACCES', 'EPERM')) throw error;
      const name = key.replaceAll('.', '\0').replaceAll('/', '.').replaceAll('\0', '/');
      if (isSwitch(key)) {
        throw new Error(
          `pods' packets are not forwarded, and ${key} cannot be set from here: run "sysctl -w ${name}=${value}" on ` +
            "the node and keep it in /etc/sysctl.d, or give this container the host's /proc/sys/net and name it by --proc-sys",
          { cause: error },
        );
      }
      if (!this.#refused.has(key))
        log.warn('a kernel parameter cannot be set from here', { name, value, error });
      this.#refused.add(key);
      return false;
    }
  }

  /** A device was made anew, and has the kernel's own settings again. */
  devicesChanged(): void {
    for (const key of this.#right) {
      if (this.#options.devices.some((device) => key.includes(`/${device}/`))) this.#right.delete(key);
    }
  }
}
