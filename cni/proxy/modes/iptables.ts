/** The iptables mode, on the kernel and the machine's programs. */

import type { Clock } from '../../../shared/daemon/clock.ts';
import { chooseVariant } from '../../../shared/iptables/choose-variant.ts';
import { hasChain, type IptablesVariant } from '../../../shared/iptables/programs.ts';
import { errorText } from '../../../shared/log/format.ts';
import { readSysctl, writeSysctl } from '../../../shared/sys/sysctl.ts';
import { mayHarm } from '../iptables/foreign.ts';
import { IptablesMode } from '../iptables/iptables-mode.ts';
import { type KernelTables, needTables, openTables } from '../iptables/kernel-tables.ts';
import { Machine } from '../iptables/machine.ts';
import type { Mode, ModeSettings } from '../mode.ts';
import type { Family } from '../model/endpoint.ts';
import type { ModeKit } from './kit.ts';
import { watchTables } from './watch-tables.ts';

/** What tells that a kind of tables is the proxy's. */
const CHAIN = ['nat', 'KUBE-SERVICES'] as const;
const ROUTE_LOCALNET = 'net/ipv4/conf/all/route_localnet';

export interface IptablesKitOptions {
  readonly clock: Clock;
  /** Node ports on 127.0.0.1, IPv4 only. */
  readonly localhostNodePorts: boolean;
  /** Where kernel parameters are: a container has /proc/sys read-only. */
  readonly procSys: string;
}

export class IptablesKit implements ModeKit {
  readonly iptables: IptablesVariant;
  readonly #machine: Machine;
  readonly #options: IptablesKitOptions;
  readonly #tables = new Map<Family, Promise<KernelTables>>();

  private constructor(machine: Machine, variant: IptablesVariant, options: IptablesKitOptions) {
    this.#machine = machine;
    this.iptables = variant;
    this.#options = options;
  }

  /** @throws Error where the programs are missing */
  static async open(options: IptablesKitOptions): Promise<IptablesKit> {
    const machine = new Machine();
    try {
      const variant = await chooseVariant(machine, [CHAIN]);
      if (!variant)
        throw new Error('mode iptables needs its programs: install iptables, or write "mode: nftables"');
      return new IptablesKit(machine, variant, options);
    } catch (error) {
      machine[Symbol.dispose]();
      throw error;
    }
  }

  create(settings: ModeSettings): Mode & Disposable {
    const { localhostNodePorts, procSys } = this.#options;
    return new IptablesMode(settings, {
      dropInvalid: readSysctl('net/netfilter/nf_conntrack_tcp_be_liberal', procSys) !== '1',
      localhostNodePorts,
      routeLocalnet: () => routeLocalnet(procSys),
      open: () => this.#open(settings.family),
      openOther: () => this.#openOther(settings.family),
    });
  }

  isEmpty(of: Family): boolean {
    return !hasChain(this.#machine, this.iptables, of, ...CHAIN);
  }

  async watch(family: Family, onForeign: () => void, onError: (error: unknown) => void): Promise<Disposable> {
    const tables = await this.#open(family);
    return await watchTables(this.#machine, tables, this.#options.clock, mayHarm, onForeign, onError);
  }

  #open(family: Family): Promise<KernelTables> {
    const known = this.#tables.get(family);
    if (known) return known;
    const opened = needTables(this.#machine, this.iptables, family);
    this.#tables.set(family, opened);
    // A program that is missing may be installed.
    opened.catch(() => this.#tables.delete(family));
    return opened;
  }

  /** Tables of the other kind, where a proxy has left something in them. */
  async #openOther(family: Family): Promise<KernelTables | undefined> {
    const other = this.iptables === 'nft' ? 'legacy' : 'nft';
    if (!hasChain(this.#machine, other, family, ...CHAIN)) return undefined;
    return await openTables(this.#machine, other, family);
  }

  [Symbol.dispose](): void {
    this.#machine[Symbol.dispose]();
  }
}

/** What is for 127.0.0.1 may come from it and leave the node. @throws Error which says what to do where it cannot be set */
function routeLocalnet(procSys: string): void {
  if (readSysctl(ROUTE_LOCALNET, procSys) === '1') return;
  try {
    writeSysctl(ROUTE_LOCALNET, '1', procSys);
  } catch (cause) {
    throw new Error(
      `node ports on 127.0.0.1 take ${ROUTE_LOCALNET}, which cannot be set (${errorText(cause)}): name the host's /proc/sys ` +
        'by --proc-sys, or write "iptables: {localhostNodePorts: false}"',
      { cause },
    );
  }
}
