/** The iptables mode, on the kernel and the machine's programs. */

import type { Clock } from '../../../shared/daemon/clock.ts';
import type { IptablesVariant } from '../../../shared/iptables/programs.ts';
import { errorText } from '../../../shared/log/format.ts';
import { readSysctl, writeSysctl } from '../../../shared/sys/sysctl.ts';
import { mayHarm } from '../iptables/foreign.ts';
import { IptablesMode } from '../iptables/iptables-mode.ts';
import type { KernelTables } from '../iptables/kernel-tables.ts';
import { NodeTables } from '../iptables/node-tables.ts';
import { NO_COUNTERS, PacketCounters } from '../iptables/packet-counters.ts';
import type { Mode, ModeSettings } from '../mode.ts';
import type { Family } from '../model/endpoint.ts';
import { InTurn } from './in-turn.ts';
import type { CountedPackets, ModeKit } from './kit.ts';
import { watchTables } from './watch-tables.ts';

const ROUTE_LOCALNET = 'net/ipv4/conf/all/route_localnet';

export interface IptablesKitOptions {
  readonly clock: Clock;
  /** Node ports on 127.0.0.1, IPv4 only. */
  readonly localhostNodePorts: boolean;
  /** Where kernel parameters are: a container has /proc/sys read-only. */
  readonly procSys: string;
}

export class IptablesKit implements ModeKit {
  readonly #tables: NodeTables;
  readonly #options: IptablesKitOptions;
  readonly #counters: PacketCounters | undefined;
  readonly packets?: (what: CountedPackets) => number | undefined;

  private constructor(tables: NodeTables, options: IptablesKitOptions) {
    this.#tables = tables;
    this.#options = options;
    const counters = PacketCounters.open(options.clock);
    this.#counters = counters;
    if (counters) this.packets = (what) => counters.packets(what);
  }

  /** @throws Error where the programs are missing */
  static async open(options: IptablesKitOptions): Promise<IptablesKit> {
    return new IptablesKit(await NodeTables.open('iptables'), options);
  }

  get iptables(): IptablesVariant {
    return this.#tables.variant;
  }

  create(settings: ModeSettings): Mode & Disposable {
    const { localhostNodePorts, procSys } = this.#options;
    const open = (): Promise<KernelTables> => this.#tables.of(settings.family);
    const mode = new IptablesMode(settings, {
      dropInvalid: readSysctl('net/netfilter/nf_conntrack_tcp_be_liberal', procSys) !== '1',
      localhostNodePorts,
      routeLocalnet: () => routeLocalnet(procSys),
      counters: this.#counters ?? NO_COUNTERS,
      open,
      openOther: () => this.#tables.otherOf(settings.family),
    });
    return new InTurn(mode, open, mode);
  }

  isEmpty(of: Family): boolean {
    return !this.#tables.isProxys(of);
  }

  async watch(family: Family, onForeign: () => void, onError: (error: unknown) => void): Promise<Disposable> {
    const tables = await this.#tables.of(family);
    const { clock } = this.#options;
    return await watchTables(this.#tables.machine, tables, clock, mayHarm, onForeign, onError);
  }

  [Symbol.dispose](): void {
    this.#counters?.[Symbol.dispose]();
    this.#tables[Symbol.dispose]();
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
