/** The IPVS mode, on the kernel and the machine's iptables programs. */

import type { Clock } from '../../../shared/daemon/clock.ts';
import type { IptablesVariant } from '../../../shared/iptables/programs.ts';
import { IpSets } from '../../../shared/netlink/ipset.ts';
import { Rtnetlink } from '../../../shared/netlink/rtnetlink.ts';
import { harmTo } from '../iptables/foreign.ts';
import { NodeTables } from '../iptables/node-tables.ts';
import { type IpvsChoices, IpvsMode } from '../ipvs/ipvs-mode.ts';
import { LinuxIpvs } from '../ipvs/linux-kernel.ts';
import { setNameOf } from '../ipvs/names.ts';
import { CHAINS, HOOKS } from '../ipvs/rules.ts';
import type { Mode, ModeSettings } from '../mode.ts';
import type { Family } from '../model/endpoint.ts';
import { InTurn } from './in-turn.ts';
import type { ModeKit } from './kit.ts';
import { watchAddresses } from './node-addresses.ts';
import { watchTables } from './watch-tables.ts';

export interface IpvsKitChoices extends IpvsChoices {
  /** Milliseconds between comparisons: IPVS and sets tell nobody of changes. */
  readonly syncPeriod: number;
}

const HOOK_CHAINS: ReadonlySet<string> = new Set([...HOOKS.filter, ...HOOKS.nat].map(({ chain }) => chain));
const mayHarm = harmTo(HOOK_CHAINS, (table, chain) => table !== 'mangle' && CHAINS[table].includes(chain));

export class IpvsKit implements ModeKit {
  readonly #tables: NodeTables;
  readonly #clock: Clock;
  readonly #choices: IpvsKitChoices;
  /** The only one that changes addresses, so that others' changes are told from ours. */
  readonly #links: Rtnetlink = Rtnetlink.open();

  private constructor(tables: NodeTables, clock: Clock, choices: IpvsKitChoices) {
    this.#tables = tables;
    this.#clock = clock;
    this.#choices = choices;
  }

  /** @throws Error where the programs are missing */
  static async open(clock: Clock, choices: IpvsKitChoices): Promise<IpvsKit> {
    return new IpvsKit(await NodeTables.open('ipvs'), clock, choices);
  }

  get iptables(): IptablesVariant {
    return this.#tables.variant;
  }

  create(settings: ModeSettings, onTrouble: (error: unknown) => void): Mode & Disposable {
    const { family } = settings;
    const kernel = new LinuxIpvs(family, this.#links);
    const mode = new IpvsMode(settings, {
      ...this.#choices,
      kernel,
      clock: this.#clock,
      open: () => this.#tables.of(family),
      openOther: () => this.#tables.otherOf(family),
      onTrouble,
    });
    const resources = new DisposableStack();
    resources.use(kernel);
    resources.use(mode);
    return new InTurn(mode, () => this.#tables.of(family), resources);
  }

  isEmpty(of: Family): boolean {
    using sets = IpSets.open();
    return !sets.names().includes(setNameOf('clusterIp', of));
  }

  async watch(family: Family, onForeign: () => void, onError: (error: unknown) => void): Promise<Disposable> {
    using stack = new DisposableStack();
    const tables = await this.#tables.of(family);
    stack.use(await watchTables(this.#tables.machine, tables, this.#clock, mayHarm, onForeign, onError));
    stack.use(every(this.#clock, this.#choices.syncPeriod, onForeign));
    stack.use(await watchAddresses(family, this.#links, this.#clock, onForeign, onError));
    return stack.move();
  }

  [Symbol.dispose](): void {
    this.#tables[Symbol.dispose]();
    this.#links[Symbol.dispose]();
  }
}

function every(clock: Clock, ms: number, work: () => void): Disposable {
  let timer = clock.after(ms, tick);
  function tick(): void {
    timer = clock.after(ms, tick);
    work();
  }
  return { [Symbol.dispose]: () => timer.cancel() };
}
