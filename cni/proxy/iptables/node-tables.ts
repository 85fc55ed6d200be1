/** The tables of iptables that a mode writes: of the kind that the node uses, opened when they are needed. */

import { chooseVariant } from '../../../shared/iptables/choose-variant.ts';
import { hasChain, type IptablesVariant } from '../../../shared/iptables/programs.ts';
import type { Family } from '../model/endpoint.ts';
import { type KernelTables, needTables, openTables } from './kernel-tables.ts';
import { Machine } from './machine.ts';

/** What tells that a kind of tables is the proxy's. */
const CHAIN = ['nat', 'KUBE-SERVICES'] as const;

export class NodeTables implements Disposable {
  readonly variant: IptablesVariant;
  readonly machine: Machine;
  readonly #opened = new Map<Family, Promise<KernelTables>>();

  private constructor(machine: Machine, variant: IptablesVariant) {
    this.machine = machine;
    this.variant = variant;
  }

  /** @param mode whose they are, for the message. @throws Error where the programs are missing */
  static async open(mode: string): Promise<NodeTables> {
    const machine = new Machine();
    try {
      const variant = await chooseVariant(machine, [CHAIN]);
      if (variant) return new NodeTables(machine, variant);
      throw new Error(`mode ${mode} needs the programs of iptables: install them, or write "mode: nftables"`);
    } catch (error) {
      machine[Symbol.dispose]();
      throw error;
    }
  }

  /** Whether a proxy has written its chains. */
  isProxys(family: Family): boolean {
    return hasChain(this.machine, this.variant, family, ...CHAIN);
  }

  /** @throws Error where the programs are missing */
  of(family: Family): Promise<KernelTables> {
    const known = this.#opened.get(family);
    if (known) return known;
    const opened = needTables(this.machine, this.variant, family);
    this.#opened.set(family, opened);
    // A program that is missing may be installed.
    opened.catch(() => this.#opened.delete(family));
    return opened;
  }

  /** Tables of the other kind, where a proxy has left something in them. */
  async otherOf(family: Family): Promise<KernelTables | undefined> {
    const other = this.variant === 'nft' ? 'legacy' : 'nft';
    if (!hasChain(this.machine, other, family, ...CHAIN)) return undefined;
    return await openTables(this.machine, other, family);
  }

  [Symbol.dispose](): void {
    this.machine[Symbol.dispose]();
  }
}
