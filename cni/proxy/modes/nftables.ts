/** The nftables mode, on the kernel. */

import type { Logger } from '../../../shared/log/logger.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { RuleLabel } from '../../../shared/nftables/model/rule.ts';
import type { Transaction } from '../../../shared/nftables/transaction.ts';
import type { Mode, ModeSettings } from '../mode.ts';
import type { Family } from '../model/endpoint.ts';
import { layoutOf } from '../nftables/layout.ts';
import { type ModeClock, NftablesMode } from '../nftables/nftables-mode.ts';
import type { ModeKit } from './kit.ts';

/** Counts its own transactions. One whose answer was lost counts as somebody else's. */
class CountingNftables extends KernelNftables {
  commits = 0;

  override run(transaction: Transaction, made?: RuleLabel[]): void {
    super.run(transaction, made);
    if (!transaction.isEmpty) this.commits += 1;
  }
}

export class NftablesKit implements ModeKit {
  readonly #kernel: CountingNftables;
  readonly #clock: ModeClock;
  readonly #log: Logger;

  /** @throws SyscallError where the kernel has no nf_tables, or the rights are missing */
  constructor(clock: ModeClock, log: Logger) {
    this.#kernel = new CountingNftables(NetlinkSocket.open(NETLINK.NETFILTER));
    this.#clock = clock;
    this.#log = log;
  }

  create(settings: ModeSettings): Mode & Disposable {
    return new NftablesMode(settings, this.#kernel, this.#clock, {
      onTrouble: (error) => this.#log.warn('what is of no use any more could not be cleared away', { error }),
    });
  }

  isEmpty(of: Family): boolean {
    const { family, name } = layoutOf(of).table;
    return !this.#kernel.listTables(family).some((table) => table.name === name);
  }

  /** The kernel counts everybody's transactions. */
  foreignChanges(): number {
    return this.#kernel.getGeneration() - this.#kernel.commits;
  }

  [Symbol.dispose](): void {
    this.#kernel[Symbol.dispose]();
  }
}
