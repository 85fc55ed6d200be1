/**
 * Keeps pods' packets from being dropped by the forward chains of others: iptables over nf_tables, legacy iptables,
 * and native nftables chains (firewalld's among them). Looks, and puts an accept where one drops; looks again when
 * such a chain changes.
 */

import type { Cidr } from '../../../../shared/ip/cidr.ts';
import {
  findPrograms,
  type IptablesPrograms,
  type IptablesVariant,
  restore,
} from '../../../../shared/iptables/programs.ts';
import type { Logger } from '../../../../shared/log/logger.ts';
import { NftError } from '../../../../shared/nftables/error.ts';
import type { Chain } from '../../../../shared/nftables/model/chain.ts';
import type { Table } from '../../../../shared/nftables/model/table.ts';
import type { KernelEvent } from '../../kernel/event.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { readFilterTable } from '../iptables/programs.ts';
import { OWN_TABLE } from '../own-table.ts';
import { isTrustedInFirewalld, trustInFirewalld } from './firewalld.ts';
import { type FilterChain, placeAccept } from './forward-chain.ts';
import { isOwnChainRight, OWN_CHAIN, planIptables } from './iptables-text.ts';
import { listFilterChain } from './listed-chain.ts';
import { isForwardChain, isOwnNftChainRight, planNftChain } from './nft-chain.ts';
import type { NftFilterRule } from './nft-rule.ts';

export interface GuardOptions {
  readonly kernel: Kernel;
  readonly log: Logger;
  /** Asked before an accept that stood there before is put there again. */
  readonly allowRepair: (object: string) => boolean;
  /** Tables of iptables that the agent's own rules stand in, which accept there already. */
  readonly leave?: () => IptablesVariant | undefined;
}

export class ForwardGuard {
  readonly #options: GuardOptions;
  readonly #programs = new Map<string, IptablesPrograms | undefined>();
  /** Places that got an accept: one more there is a repair. */
  readonly #placed = new Set<string>();
  /** `family table chain` of all chains whose change may matter. */
  #watched = new Set<string>();
  /**
   * The firewalld table that was dealt with through its program, as a reload makes another one, and what was looked at of it
   * when firewalld last said that it trusts the pods' networks.
   */
  #trusted: { readonly table: bigint | undefined; readonly rules: string | undefined } | undefined;
  /** What legacy tables looked like at a glance. */
  #legacy: readonly (string | undefined)[] = [];
  readonly #told = new Set<string>();

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /** Where accepts stand. */
  get places(): readonly string[] {
    return [...this.#placed];
  }

  /** Looks at every forward chain and puts accepts where they are needed. @throws Error where that fails */
  async check(networks: readonly Cidr[]): Promise<void> {
    const watched = new Set<string>();
    const { nftables } = this.#options.kernel;
    // As they are before they are read: what somebody does meanwhile must not be taken for looked at.
    const legacy = this.#glances();
    for (const family of ['ip', 'ip6', 'inet'] as const) {
      for (const table of nftables.listTables(family)) {
        if (table.family === OWN_TABLE.family && table.name === OWN_TABLE.name) continue;
        const chains = nftables.listChains(table);
        for (const chain of chains.filter((candidate) => isForwardChain(candidate, [family]))) {
          await this.#checkNft(table, chain, chains, networks, watched);
        }
      }
    }
    for (const family of [4, 6] as const) await this.#checkLegacy(family, networks);
    this.#legacy = legacy;
    this.#watched = watched;
  }

  /** True if an event may mean that an accept is missing now. */
  concerns(event: KernelEvent): boolean {
    if (event.kind !== 'nftables' || (event.family === OWN_TABLE.family && event.table === OWN_TABLE.name))
      return false;
    if (event.family !== 'ip' && event.family !== 'ip6' && event.family !== 'inet') return false;
    // Tables come and go, base chains appear or change their policy; rules matter in chains that were looked at.
    return (
      event.chain === undefined ||
      event.isBaseChain === true ||
      this.#watched.has(key(event.family, event.table, event.chain))
    );
  }

  /** True if there were legacy tables at the last check. */
  get seesLegacy(): boolean {
    return this.#legacy.some((glance) => glance !== undefined);
  }

  /** True if legacy iptables' rules have changed since the last check. */
  legacyChanged(): boolean {
    return this.#glances().some((glance, index) => glance !== this.#legacy[index]);
  }

  #glances(): (string | undefined)[] {
    return ([4, 6] as const).map((family) => this.#options.kernel.legacyGlance(family, 'filter'));
  }

  async #checkNft(
    table: Table,
    chain: Chain,
    chains: readonly Chain[],
    networks: readonly Cidr[],
    watched: Set<string>,
  ): Promise<void> {
    const { nftables } = this.#options.kernel;
    const watch = (names: readonly string[]): void => {
      for (const name of names) watched.add(key(table.family, table.name, name));
    };
    const read = (name: string): FilterChain<NftFilterRule> | undefined => {
      const found = chains.find((candidate) => candidate.name === name);
      return found && this.#readChain(table, found);
    };
    const family = this.#iptablesFamily(table, chain);
    const programs = family && (await this.#find('nft', family));
    if (family && programs) {
      if (this.#options.leave?.() === 'nft') return;
      const own = networks.filter((network) => network.ip.family === family);
      const ownIsRight = isOwnNftChainRight(nftables.listRules(table, OWN_CHAIN), own);
      const { input, lookedAt } = planIptables(read, own, ownIsRight);
      watch(lookedAt);
      await this.#restore(programs, input, 'nft', family, own);
      return;
    }
    const filter = this.#readChain(table, chain);
    const placement = placeAccept(filter, read);
    watch(placement.lookedAt);
    if (table.name === 'firewalld' && (await this.#isStillTrusted(table, placement.lookedAt, networks)))
      return;
    const transaction = planNftChain(chain, filter, placement, networks);
    const place = `chain ${chain.name} of table ${table.family} ${table.name}`;
    if (!transaction || !this.#mayPlace(place)) return;
    try {
      nftables.run(transaction);
    } catch (error) {
      // firewalld 2.1 and later own their table: nobody else may write to it.
      if (!(error instanceof NftError && error.code === 'EPERM' && table.name === 'firewalld')) throw error;
      const advice = await trustInFirewalld(this.#options.kernel, networks);
      // It has rules for that now, which have not been looked at.
      this.#trusted = { table: table.handle, rules: undefined };
      if (advice !== undefined) {
        // Nothing here can do it, and trying for ever would keep the node from serving the pods that nobody drops.
        this.#tellOnce(advice);
        return;
      }
    }
    this.#placedAt(place);
  }

  /** Asks firewalld, which takes a while to answer, only where something has changed since. */
  async #isStillTrusted(
    { family, name, handle }: Table,
    lookedAt: readonly string[],
    networks: readonly Cidr[],
  ): Promise<boolean> {
    const { kernel } = this.#options;
    if (!this.#trusted || this.#trusted.table !== handle) return false;
    const looks = lookedAt.flatMap((chain) => kernel.nftables.listRules({ family, name }, chain));
    const rules = looks.map((rule) => `${rule.chain} ${rule.handle}`).join();
    if (rules === this.#trusted.rules) return true;
    // Where nobody can be asked, somebody was told what to do.
    if ((await isTrustedInFirewalld(kernel, networks)) === false) return false;
    this.#trusted = { table: handle, rules };
    return true;
  }

  #readChain(table: Table, chain: Chain): FilterChain<NftFilterRule> {
    return listFilterChain(this.#options.kernel.nftables, table, chain, () =>
      this.#tellOnce(
        `chain ${chain.name} of table ${table.family} ${table.name} has a rule that decides by a map of interfaces ` +
          'and more, which is not understood: if it drops what pods send, accept that before it',
      ),
    );
  }

  /** The family of a chain that the iptables programs made; `undefined` for one that nft made under that name. */
  #iptablesFamily(table: Table, chain: Chain): 4 | 6 | undefined {
    if (table.family === 'inet' || table.name !== 'filter' || chain.name !== 'FORWARD') return undefined;
    // iptables knows no other priority and no sets; a table with such things it misreads.
    if (chain.base?.priority !== 0 || this.#options.kernel.nftables.listSets(table).length > 0)
      return undefined;
    return table.family === 'ip' ? 4 : 6;
  }

  async #checkLegacy(family: 4 | 6, networks: readonly Cidr[]): Promise<void> {
    const { kernel } = this.#options;
    if (this.#options.leave?.() === 'legacy' || kernel.legacyGlance(family, 'filter') === undefined) return;
    const programs = await this.#find('legacy', family);
    if (!programs) {
      this.#tellOnce(
        `legacy iptables has an IPv${family} filter table, but its programs are missing: install them ` +
          '(iptables-legacy), else its rules may drop what pods send',
      );
      return;
    }
    const own = networks.filter((network) => network.ip.family === family);
    const table = await readFilterTable(kernel, programs);
    const { input } = planIptables((name) => table.get(name), own, isOwnChainRight(table, own));
    await this.#restore(programs, input, 'legacy', family, own);
  }

  async #restore(
    programs: IptablesPrograms,
    input: string | undefined,
    variant: IptablesVariant,
    family: 4 | 6,
    own: readonly Cidr[],
  ): Promise<void> {
    const place = `FORWARD of ${family === 4 ? 'iptables' : 'ip6tables'} (${variant})`;
    if (input === undefined || own.length === 0 || !this.#mayPlace(place)) return;
    await restore(this.#options.kernel, programs, input);
    this.#placedAt(place);
  }

  async #find(variant: IptablesVariant, family: 4 | 6): Promise<IptablesPrograms | undefined> {
    const name = `${variant} ${family}`;
    // Programs that are missing may be installed while the agent runs.
    const known = this.#programs.get(name) ?? (await findPrograms(this.#options.kernel, variant, family));
    this.#programs.set(name, known);
    return known;
  }

  #mayPlace(place: string): boolean {
    return !this.#placed.has(place) || this.#options.allowRepair(place);
  }

  #placedAt(place: string): void {
    if (!this.#placed.has(place)) {
      this.#options.log.info('forwarded packets would be dropped; pods are accepted there now', {
        where: place,
      });
    }
    this.#placed.add(place);
  }

  #tellOnce(message: string): void {
    if (this.#told.has(message)) return;
    this.#told.add(message);
    this.#options.log.warn(message);
  }
}

function key(family: string, table: string, chain: string): string {
  return `${family} ${table} ${chain}`;
}
