/** The iptables mode, on the kernel and the machine's programs. */

import type { Clock } from '../../../shared/daemon/clock.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import { readSysctl } from '../../../shared/sys/sysctl.ts';
import { CANARY } from '../iptables/fixed-rules.ts';
import { IptablesMode } from '../iptables/iptables-mode.ts';
import { chooseVariant, openTables, type Tables, type Variant } from '../iptables/programs.ts';
import type { Mode, ModeSettings } from '../mode.ts';
import type { Family } from '../model/endpoint.ts';
import type { ModeKit } from './kit.ts';

/** Milliseconds between looks at the canary: legacy tables tell nobody of changes, and nft tells our own as others'. */
const LOOK_INTERVAL = 700;

export class IptablesKit implements ModeKit {
  readonly #nft: KernelNftables;
  readonly #variant: Variant;
  readonly #clock: Clock;

  private constructor(nft: KernelNftables, variant: Variant, clock: Clock) {
    this.#nft = nft;
    this.#variant = variant;
    this.#clock = clock;
  }

  /** @throws Error where the programs are missing */
  static async open(clock: Clock): Promise<IptablesKit> {
    const nft = KernelNftables.open();
    try {
      return new IptablesKit(nft, await chooseVariant(nft), clock);
    } catch (error) {
      nft[Symbol.dispose]();
      throw error;
    }
  }

  create(settings: ModeSettings): Mode & Disposable {
    return new IptablesMode(settings, {
      dropInvalid: readSysctl('net/netfilter/nf_conntrack_tcp_be_liberal') !== '1',
      open: () => this.#open(settings.family),
    });
  }

  isEmpty(of: Family): boolean {
    // Legacy tables cannot be looked at without a program: taken for holding something.
    if (this.#variant === 'legacy') return false;
    const table = { family: of === 4 ? 'ip' : 'ip6', name: 'nat' } as const;
    return !this.#nft.listChains(table).some(({ name }) => name === 'KUBE-SERVICES');
  }

  async watch(family: Family, onForeign: () => void, onError: (error: unknown) => void): Promise<Disposable> {
    const tables = await this.#open(family);
    let wasThere = false;
    let ended = false;
    let timer: { cancel(): void } | undefined;
    const look = async (): Promise<void> => {
      try {
        const present = await Promise.all(
          ['mangle', 'nat', 'filter'].map((table) => tables.has(table, CANARY)),
        );
        const isThere = present.every(Boolean);
        if (wasThere && !isThere && !ended) onForeign();
        wasThere = isThere;
      } catch (error) {
        if (!ended) onError(error);
        return;
      }
      if (!ended) timer = this.#clock.after(LOOK_INTERVAL, () => void look());
    };
    await look();
    return {
      [Symbol.dispose]: () => {
        ended = true;
        timer?.cancel();
      },
    };
  }

  async #open(family: Family): Promise<Tables> {
    return await openTables(this.#variant, family, this.#nft);
  }

  [Symbol.dispose](): void {
    this.#nft[Symbol.dispose]();
  }
}
