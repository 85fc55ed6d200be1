/** The nftables mode, on the kernel. */

import { watchForeignChanges } from '../../../shared/nftables/foreign-changes.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { Mode, ModeSettings } from '../mode.ts';
import type { Family } from '../model/endpoint.ts';
import { layoutOf } from '../nftables/layout.ts';
import { type ModeClock, NftablesMode } from '../nftables/nftables-mode.ts';
import type { ModeKit } from './kit.ts';

export class NftablesKit implements ModeKit {
  readonly #kernel: KernelNftables;
  readonly #clock: ModeClock;

  /** @throws SyscallError where the kernel has no nf_tables, or the rights are missing */
  constructor(clock: ModeClock) {
    this.#kernel = KernelNftables.open();
    this.#clock = clock;
  }

  create(settings: ModeSettings, onTrouble: (error: unknown) => void): Mode & Disposable {
    return new NftablesMode(settings, this.#kernel, this.#clock, { onTrouble });
  }

  isEmpty(of: Family): boolean {
    const { family, name } = layoutOf(of).table;
    return !this.#kernel.listTables(family).some((table) => table.name === name);
  }

  async watch(family: Family, onForeign: () => void, onError: (error: unknown) => void): Promise<Disposable> {
    return await watchForeignChanges({
      tables: [layoutOf(family).table],
      ownPorts: [this.#kernel.portId],
      onChange: onForeign,
      onError,
    });
  }

  [Symbol.dispose](): void {
    this.#kernel[Symbol.dispose]();
  }
}
