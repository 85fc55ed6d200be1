/** The iptables mode of the service proxy for one address family: kube-proxy's chains, changed where a change is. */

import { ensureSysctl } from '../../../shared/sys/sysctl.ts';
import type { Mode, ModeReport, ModeSettings, ServicePorts } from '../mode.ts';
import { formatEndpoint } from '../model/endpoint.ts';
import type { ServicePort, ServicePortName } from '../model/service-port.ts';
import { chainsOf, endpointChain } from './names.ts';
import { type AllSettings, type Plan, planAll, planChanges, planRemoval } from './plan.ts';
import type { Tables } from './programs.ts';

/** With more endpoints rules do not say whose they are: as in kube-proxy, comments are two fifths of a table. */
const ENDPOINTS_WITH_COMMENTS = 1000;

export interface IptablesModeOptions {
  readonly dropInvalid: boolean;
  /** Opens the tables of the namespace that is programmed; once. */
  readonly open: () => Promise<Tables>;
}

export class IptablesMode implements Mode, Disposable {
  readonly #options: IptablesModeOptions;
  #settings: AllSettings;
  #opened: Promise<Tables> | undefined;
  /** What the tables hold of each port: rules follow from it, so that none has to be remembered. */
  readonly #programmed = new Map<ServicePortName, ServicePort>();
  /** The tables hold what `#programmed` says, as far as we know. */
  #isKnown = false;

  constructor(settings: ModeSettings, options: IptablesModeOptions) {
    this.#options = options;
    this.#settings = { ...settings, dropInvalid: options.dropInvalid, endpointComments: true };
  }

  async replace(ports: ServicePorts): Promise<ModeReport> {
    let endpoints = 0;
    for (const port of ports) endpoints += port.endpoints.length;
    this.#settings = { ...this.#settings, endpointComments: endpoints <= ENDPOINTS_WITH_COMMENTS };
    const { family, nodePortAddresses } = this.#settings;
    // Node ports on 127.0.0.1; the rule of KUBE-FIREWALL keeps neighbours from what else listens there.
    if (family === 4 && nodePortAddresses === 'all') ensureSysctl('net/ipv4/conf/all/route_localnet', '1');
    const tables = await this.#tables();
    const plan = planAll(ports, await tables.save(), this.#settings);
    this.#isKnown = false;
    await restore(tables, plan);
    this.#programmed.clear();
    for (const port of ports) this.#programmed.set(port.name, port);
    this.#isKnown = true;
    return { changes: plan.changes, refused: [], repairs: 0 };
  }

  async update(ports: ServicePorts, changed: ReadonlySet<ServicePortName>): Promise<ModeReport> {
    if (!this.#isKnown) return await this.replace(ports);
    const changes = [...changed].map((name) => [this.#programmed.get(name), ports.get(name)] as const);
    const plan = planChanges(changes, this.#settings);
    try {
      await restore(await this.#tables(), plan);
    } catch {
      // Somebody changed what we thought was there, or holds the lock: begin anew with what is there.
      return await this.replace(ports);
    }
    for (const name of changed) {
      const port = ports.get(name);
      if (port) this.#programmed.set(name, port);
      else this.#programmed.delete(name);
    }
    return { changes: plan.changes, refused: [], repairs: 0 };
  }

  async verify(ports: ServicePorts): Promise<ModeReport> {
    const { changes } = await this.replace(ports);
    return { changes, refused: [], repairs: changes };
  }

  async explain(port: ServicePort): Promise<readonly string[]> {
    const saved = (await (await this.#tables()).save()).get('nat');
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
    const tables = await this.#tables();
    await restore(tables, planRemoval(await tables.save()));
    this.#programmed.clear();
    this.#isKnown = false;
  }

  [Symbol.dispose](): void {}

  #tables(): Promise<Tables> {
    this.#opened ??= this.#options.open();
    // A program that is missing may be installed.
    this.#opened.catch(() => (this.#opened = undefined));
    return this.#opened;
  }
}

async function restore(tables: Tables, { text }: Plan): Promise<void> {
  if (text !== '') await tables.restore(text);
}
