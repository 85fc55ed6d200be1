/**
 * The IPVS mode of the service proxy for one address family: virtual and real servers, the device with their addresses, sets,
 * and rules of iptables that ask the sets. Named and shaped as kube-proxy's.
 */

import type { Clock } from '../../../shared/daemon/clock.ts';
import type { Cidr } from '../../../shared/ip/cidr.ts';
import { errorText } from '../../../shared/log/format.ts';
import type { Tables } from '../iptables/kernel-tables.ts';
import { IPVS_CHAIN } from '../iptables/plan.ts';
import type { Mode, ModeReport, ModeSettings, ServicePorts } from '../mode.ts';
import type { ServicePort, ServicePortName } from '../model/service-port.ts';
import { compare } from './compare.ts';
import { DrainingEndpoints } from './draining.ts';
import { explain } from './explain.ts';
import type { IpvsKernel } from './kernel.ts';
import { type Operation, operationsOf } from './operations.ts';
import { ownersOf } from './owners.ts';
import { removeAll, removeUnused } from './remove-all.ts';
import { planAll, planRemoval, planRules, type TablesPlan } from './tables-plan.ts';
import { Totals } from './totals.ts';
import { type IpvsSettings, type Wanted, wantedOf } from './wanted.ts';

/** Of the configuration's section `ipvs`. */
export interface IpvsChoices {
  /** IPVS's name of it. */
  readonly scheduler: string;
  /** Where virtual servers are somebody else's. */
  readonly excluded: readonly Cidr[];
}

export interface IpvsModeOptions extends IpvsChoices {
  readonly kernel: IpvsKernel;
  readonly clock: Pick<Clock, 'after'>;
  /** Opens the tables of iptables of the namespace that is programmed. @throws Error where the programs are missing */
  readonly open: () => Promise<Tables>;
  /** Opens those of the other kind, nft or legacy, where a proxy has left something there. */
  readonly openOther: () => Promise<Tables | undefined>;
  readonly onTrouble: (error: unknown) => void;
}

export class IpvsMode implements Mode, Disposable {
  readonly #options: IpvsModeOptions;
  readonly #draining: DrainingEndpoints;
  #settings: IpvsSettings;
  #totals = new Totals();
  /** Of each port what it was programmed as: what it takes follows from it, so that only that need be remembered. */
  readonly #programmed = new Map<ServicePortName, ServicePort>();
  #refused = new Set<ServicePortName>();
  /** The kernel holds what `#totals` says, as far as we know. */
  #isKnown = false;

  constructor(settings: ModeSettings, options: IpvsModeOptions) {
    this.#options = options;
    this.#settings = { ...settings, scheduler: options.scheduler, nodeAddresses: [] };
    this.#draining = new DrainingEndpoints(options);
  }

  async replace(ports: ServicePorts): Promise<ModeReport> {
    const { kernel, scheduler, excluded } = this.#options;
    this.#isKnown = false;
    kernel.prepare();
    this.#settings = { ...this.#settings, nodeAddresses: kernel.nodeAddresses() };
    this.#totals = new Totals();
    this.#programmed.clear();
    this.#totals.change(this.#wantedBy(ports));
    const { before, after, draining } = compare(this.#totals, kernel, { scheduler, excluded });
    const failed = this.#run(before);
    const tables = await this.#options.open();
    const plan = planAll(await tables.save(), this.#totals.rules, this.#settings);
    await restore(tables, plan);
    failed.push(...this.#run(after));
    this.#draining.clear();
    for (const [of, endpoint] of draining) this.#draining.add(of, endpoint);
    for (const port of ports) this.#programmed.set(port.name, port);
    const refused = this.#refusalsOf(failed, ports);
    this.#isKnown = true;
    return { changes: before.length + after.length + plan.changes, refused, repairs: 0 };
  }

  async update(ports: ServicePorts, changed: ReadonlySet<ServicePortName>): Promise<ModeReport> {
    if (!this.#isKnown || changed.values().some((name) => this.#refused.has(name)))
      return await this.replace(ports);
    const wanted: [Wanted | undefined, Wanted | undefined][] = [];
    for (const name of changed) {
      const [old, port] = [this.#programmed.get(name), ports.get(name)];
      wanted.push([old && wantedOf(old, this.#settings), port && wantedOf(port, this.#settings)]);
      if (port) this.#programmed.set(name, port);
      else this.#programmed.delete(name);
    }
    const changes = this.#totals.change(wanted);
    const { before, after } = operationsOf(changes, this.#draining);
    const plan = planRules(changes.addedRules, changes.removedRules);
    try {
      if (this.#run(before).length > 0) return await this.replace(ports);
      if (plan.text !== '') await restore(await this.#options.open(), plan);
      if (this.#run(after).length > 0) return await this.replace(ports);
    } catch {
      // Somebody changed what we thought was there, or holds the lock: begin anew with what is there.
      return await this.replace(ports);
    }
    return { changes: before.length + after.length + plan.changes, refused: [], repairs: 0 };
  }

  async verify(ports: ServicePorts): Promise<ModeReport> {
    const wasKnown = this.#isKnown;
    const report = await this.replace(ports);
    return { ...report, repairs: wasKnown ? report.changes : 0 };
  }

  async explain(port: ServicePort): Promise<readonly string[]> {
    return explain(wantedOf(port, this.#settings), this.#options.kernel);
  }

  async cleanUp(isReplaced: boolean = false): Promise<void> {
    this.#isKnown = false;
    this.#draining.clear();
    const { kernel, clock, open, openOther } = this.#options;
    for (const tables of [await open(), await openOther()])
      await tables?.alone(async () => {
        // Otherwise what is there is another mode's, which removed ours when it took the tables over.
        if (tables.hasChain('filter', IPVS_CHAIN)) await restore(tables, planRemoval(await tables.save()));
      });
    const left = await (isReplaced ? removeUnused : removeAll)(kernel, clock);
    if (left.length > 0)
      throw new Error(`rules still look into the sets ${left.join(', ')}: find them with iptables-save`);
    this.#programmed.clear();
    this.#totals = new Totals();
  }

  [Symbol.dispose](): void {
    this.#draining[Symbol.dispose]();
  }

  *#wantedBy(ports: ServicePorts): Iterable<readonly [undefined, Wanted]> {
    for (const port of ports) yield [undefined, wantedOf(port, this.#settings)];
  }

  /** @returns what failed */
  #run(operations: readonly Operation[]): { operation: Operation; error: Error }[] {
    if (operations.length === 0) return [];
    const { kernel, scheduler } = this.#options;
    const errors = kernel.run(operations, scheduler);
    const failed: { operation: Operation; error: Error }[] = [];
    for (const [index, operation] of operations.entries()) {
      const error = errors[index];
      if (error) failed.push({ operation, error });
      else this.#follow(operation);
    }
    return failed;
  }

  #follow(operation: Operation): void {
    if (operation.on === 'server' && operation.verb === 'delete') this.#draining.remove(operation.key);
    if (operation.on !== 'endpoint') return;
    const { of, endpoint, verb, weight } = operation;
    if (verb === 'change' && weight === 0) this.#draining.add(of, endpoint);
    else this.#draining.remove(of, endpoint);
  }

  /** Whose what failed is; what is nobody's is told as trouble. */
  #refusalsOf(
    failed: readonly { operation: Operation; error: Error }[],
    ports: ServicePorts,
  ): { name: ServicePortName; why: string }[] {
    const refused = new Map<ServicePortName, string>();
    for (const { operation, error } of failed) {
      const owners = ownersOf(operation, ports, this.#settings);
      if (owners.length === 0) this.#options.onTrouble(error);
      for (const name of owners) if (!refused.has(name)) refused.set(name, errorText(error));
    }
    this.#refused = new Set(refused.keys());
    return [...refused].map(([name, why]) => ({ name, why }));
  }
}

async function restore(tables: Tables, { text }: TablesPlan): Promise<void> {
  if (text !== '') await tables.restore(text);
}
