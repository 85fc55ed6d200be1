/** Follows by which interfaces and addresses this node reaches the others. */

import { formatIp } from '../../shared/ip/ip.ts';
import type { Logger } from '../../shared/log/logger.ts';
import type { Underlays } from './backends/backend.ts';
import type { Kernel } from './kernel/kernel.ts';
import type { UnderlayOptions } from './options.ts';
import { chooseUnderlay, sameUnderlay, type Underlay } from './underlay.ts';

export interface UnderlayWatchOptions {
  readonly kernel: Kernel;
  readonly log: Logger;
  readonly options: UnderlayOptions;
  readonly families: { readonly v4: boolean; readonly v6: boolean };
}

export class UnderlayWatch {
  readonly #options: UnderlayWatchOptions;
  #current: Underlays = {};
  readonly #problems = new Map<4 | 6, string>();

  constructor(options: UnderlayWatchOptions) {
    this.#options = options;
  }

  /** What is in use: the same object until it changes. */
  get current(): Underlays {
    return this.#current;
  }

  /** True once every family that the cluster has is chosen. */
  get complete(): boolean {
    const { families } = this.#options;
    return (
      (!families.v4 || this.#current.v4 !== undefined) && (!families.v6 || this.#current.v6 !== undefined)
    );
  }

  /** True while everything that is in use is really there: only then can events of other interfaces be ignored. */
  get settled(): boolean {
    return this.complete && this.#problems.size === 0;
  }

  /**
   * Looks again; true if something changed. An underlay that lost its address (a DHCP client restarting) stays in use
   * until there is another.
   *
   * @throws Error while a family has none at all
   */
  look(): boolean {
    const { kernel, options, families } = this.#options;
    const observed = kernel.readNetwork([]);
    const next = (family: 4 | 6, current: Underlay | undefined): Underlay | undefined => {
      const routeTo =
        options.canReach?.family === family ? kernel.routesTo([options.canReach])[0] : undefined;
      const choice = chooseUnderlay(family, options, observed, routeTo, current);
      if ('underlay' in choice) {
        this.#problems.delete(family);
        return choice.underlay;
      }
      if (!current) throw new Error(choice.problem);
      this.#tell(family, choice.problem);
      return current;
    };
    const v4 = families.v4 ? next(4, this.#current.v4) : undefined;
    const v6 = families.v6 ? next(6, this.#current.v6) : undefined;
    if (sameUnderlay(v4, this.#current.v4) && sameUnderlay(v6, this.#current.v6)) return false;
    this.#current = { ...(v4 && { v4 }), ...(v6 && { v6 }) };
    for (const underlay of [v4, v6]) if (underlay) this.#log(underlay);
    return true;
  }

  #log({ name, address, publicIp, mtu }: Underlay): void {
    this.#options.log.info('reaching other nodes', {
      interface: name,
      address: formatIp(address),
      public_ip: formatIp(publicIp),
      mtu,
    });
  }

  #tell(family: 4 | 6, problem: string): void {
    if (this.#problems.get(family) === problem) return;
    this.#problems.set(family, problem);
    this.#options.log.warn('the interface towards other nodes lost its address; waiting for it', { problem });
  }
}
