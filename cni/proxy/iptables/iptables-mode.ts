/** The iptables mode of the service proxy for one address family: kube-proxy's chains, changed where a change is. */

import type { Mode, ModeReport, ModeSettings, ServicePorts } from '../mode.ts';
import { formatEndpoint } from '../model/endpoint.ts';
import type { ServicePort, ServicePortName } from '../model/service-port.ts';
import { type Counted, count, counts } from './counters.ts';
import { findRefused, isForParts } from './find-refused.ts';
import { servesLoopback } from './fixed-rules.ts';
import type { Tables } from './kernel-tables.ts';
import { chainsOf, endpointChain } from './names.ts';
import type { CounterKeeper } from './packet-counters.ts';
import {
  type AllSettings,
  IPVS_CHAIN,
  type Plan,
  planAll,
  planChanges,
  planRemoval,
  portsToWrite,
} from './plan.ts';
import type { RuleText, SavedTable } from './tables.ts';
import { endOfTrial, trialOfRule } from './trial.ts';

/** With more endpoints rules do not say whose they are: as in kube-proxy, comments are two fifths of a table. */
const ENDPOINTS_WITH_COMMENTS = 1000;

export interface IptablesModeOptions {
  readonly dropInvalid: boolean;
  readonly localhostNodePorts: boolean;
  /** Lets packets of 127.0.0.1 leave the node; called before node ports are served there. @throws Error */
  readonly routeLocalnet: () => void;
  readonly counters: CounterKeeper;
  /** Opens the tables of the namespace that is programmed. @throws Error where the programs are missing */
  readonly open: () => Promise<Tables>;
  /** Opens those of the other kind, nft or legacy, where a proxy has left something there. */
  readonly openOther: () => Promise<Tables | undefined>;
}

type Refused = ModeReport['refused'];

const NOTHING: ReadonlySet<Counted> = new Set();

export class IptablesMode implements Mode, Disposable {
  readonly #options: IptablesModeOptions;
  #settings: AllSettings;
  /** What the tables hold of each port: rules follow from it, so that none has to be remembered. */
  readonly #programmed = new Map<ServicePortName, ServicePort>();
  /** The tables hold what `#programmed` says, as far as we know. */
  #isKnown = false;
  /** What was not taken when it was last tried: from then on it is tried alone first. */
  readonly #refused = new Map<ServicePortName, string>();
  /** Rules by table. */
  #total = { filter: 0, nat: 0 };
  /** Whether the program and the kernel know rules that count. */
  #canCount: boolean | undefined;

  constructor(settings: ModeSettings, options: IptablesModeOptions) {
    this.#options = options;
    const { dropInvalid, localhostNodePorts } = options;
    this.#settings = {
      ...settings,
      dropInvalid,
      localhostNodePorts,
      endpointComments: true,
      counts: NOTHING,
    };
  }

  async replace(ports: ServicePorts): Promise<ModeReport> {
    return await this.#compare(ports, await this.#stillRefused(ports, this.#refused.keys()));
  }

  async update(ports: ServicePorts, changed: ReadonlySet<ServicePortName>): Promise<ModeReport> {
    if (!this.#isKnown) return await this.replace(ports);
    const tables = await this.#options.open();
    const refused = await this.#stillRefused(ports, changed);
    const wanted = without(ports, refused);
    const changes = [...changed].map((name) => [this.#programmed.get(name), wanted.get(name)] as const);
    const plan = planChanges(changes, this.#settings, tables);
    try {
      await restore(tables, plan);
    } catch (error) {
      return await this.#updateParts(ports, changed, refused, plan, error);
    }
    for (const name of changed) {
      const port = wanted.get(name);
      if (port) this.#programmed.set(name, port);
      else this.#programmed.delete(name);
      this.#refused.delete(name);
    }
    return this.#report(plan, refused);
  }

  async verify(ports: ServicePorts): Promise<ModeReport> {
    const report = await this.replace(ports);
    return { ...report, repairs: report.changes };
  }

  async explain(port: ServicePort): Promise<readonly string[]> {
    const saved = (await (await this.#options.open()).save()).get('nat');
    const { cluster, local, external, firewall } = chainsOf(port);
    const endpoints = [...new Set([...port.endpoints, ...port.localEndpoints])];
    return [
      ...[firewall, external, cluster, local].flatMap((chain) => {
        const rules = saved?.get(chain);
        return rules ? [`chain ${chain}: ${rules.length} rules`] : [];
      }),
      ...endpoints.map((endpoint) => {
        const chain = endpointChain(port, endpoint);
        return `endpoint ${formatEndpoint(endpoint)}: ${saved?.has(chain) ? `chain ${chain}` : 'no chain'}`;
      }),
    ];
  }

  async cleanUp(): Promise<void> {
    this.#isKnown = false;
    this.#programmed.clear();
    for (const tables of [await this.#options.open(), await this.#options.openOther()])
      await tables?.alone(async () => {
        // What is there is the IPVS mode's: it took the tables over, and removed what it had no use for.
        if (tables.hasChain('filter', IPVS_CHAIN)) return;
        await restore(tables, planRemoval(await tables.save(), tables));
      });
    await this.#options.counters.remove();
  }

  [Symbol.dispose](): void {}

  /** Compares everything with what is there, and programs all that the kernel takes. @param refused not to be tried */
  async #compare(ports: ServicePorts, refused: Refused): Promise<ModeReport> {
    let endpoints = 0;
    for (const port of ports) endpoints += port.endpoints.length;
    this.#settings = { ...this.#settings, endpointComments: endpoints <= ENDPOINTS_WITH_COMMENTS };
    if (servesLoopback(this.#settings)) this.#options.routeLocalnet();
    const tables = await this.#options.open();
    this.#isKnown = false;
    const [plan, all] = await this.#restoreAll(tables, ports, refused);
    this.#programmed.clear();
    for (const port of without(ports, all)) this.#programmed.set(port.name, port);
    this.#isKnown = true;
    this.#refused.clear();
    this.#total = { filter: 0, nat: 0 };
    return this.#report(plan, all);
  }

  async #restoreAll(tables: Tables, ports: ServicePorts, refused: Refused): Promise<[Plan, Refused]> {
    const saved = await tables.save();
    this.#settings = { ...this.#settings, counts: await this.#counts(tables, saved) };
    const wanted = without(ports, refused);
    const plan = planAll(wanted, saved, this.#settings, tables);
    try {
      await restore(tables, plan);
      return [plan, refused];
    } catch (error) {
      if (!isForParts(error)) throw error;
      const more = await findRefused(tables, portsToWrite(wanted, saved, this.#settings), this.#settings);
      if (more.length === 0) throw error;
      const all = [...refused, ...more];
      // One of the tables may have been written before the other was refused.
      const rest = planAll(without(ports, all), await tables.save(), this.#settings, tables);
      await restore(tables, rest);
      return [rest, all];
    }
  }

  /** What can be counted, of what there is to count. */
  async #counts(tables: Tables, saved: ReadonlyMap<string, SavedTable>): Promise<ReadonlySet<Counted>> {
    const all = new Set(this.#options.counters.make());
    if (!servesLoopback(this.#settings)) all.delete('loopback');
    const [any] = all;
    if (any === undefined) return all;
    this.#canCount ??= counts(saved) || (await takes(tables, count(any)));
    return this.#canCount ? all : NOTHING;
  }

  /** What changed was refused: a port of it is at fault, or somebody changed what we thought was there. */
  async #updateParts(
    ports: ServicePorts,
    changed: ReadonlySet<ServicePortName>,
    refused: Refused,
    { changes }: Plan,
    error: unknown,
  ): Promise<ModeReport> {
    this.#isKnown = false;
    const wanted = without(ports, refused);
    const suspects = [...changed].flatMap((name) => wanted.get(name) ?? []);
    const tables = await this.#options.open();
    const more = isForParts(error) ? await findRefused(tables, suspects, this.#settings) : [];
    const others = [...this.#refused].filter(([name]) => !changed.has(name));
    const known = others.map(([name, why]) => ({ name, why }));
    const report = await this.#compare(ports, [...known, ...refused, ...more]);
    return { ...report, repairs: Math.max(0, report.changes - changes), isRetried: true };
  }

  /** Which of some ports, if they were refused before, are so again. */
  async #stillRefused(ports: ServicePorts, some: Iterable<ServicePortName>): Promise<Refused> {
    const suspects = [...some].flatMap((name) => (this.#refused.has(name) ? (ports.get(name) ?? []) : []));
    if (suspects.length === 0) return [];
    return await findRefused(await this.#options.open(), suspects, this.#settings);
  }

  #report({ changes, rules }: Plan, refused: Refused): ModeReport {
    for (const { name, why } of refused) this.#refused.set(name, why);
    this.#total = { filter: this.#total.filter + rules.filter.more, nat: this.#total.nat + rules.nat.more };
    return {
      changes,
      refused,
      repairs: 0,
      rules: {
        filter: { total: this.#total.filter, written: rules.filter.written },
        nat: { total: this.#total.nat, written: rules.nat.written },
      },
    };
  }
}

/** Whether the program and the kernel know a rule. */
async function takes(tables: Tables, rule: RuleText): Promise<boolean> {
  try {
    await tables.restore(trialOfRule(rule));
    return true;
  } catch (error) {
    if (!isForParts(error)) throw error;
    return false;
  } finally {
    await tables.restore(endOfTrial());
  }
}

async function restore(tables: Tables, { text }: Plan): Promise<void> {
  if (text !== '') await tables.restore(text);
}

function without(ports: ServicePorts, refused: Refused): Pick<ServicePorts, 'get'> & Iterable<ServicePort> {
  if (refused.length === 0) return ports;
  const names = new Set(refused.map(({ name }) => name));
  return {
    get: (name) => (names.has(name) ? undefined : ports.get(name)),
    *[Symbol.iterator]() {
      for (const port of ports) if (!names.has(port.name)) yield port;
    },
  };
}
