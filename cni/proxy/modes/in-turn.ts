/** A mode that writes tables of iptables, as its kit hands it out. */

import type { Tables } from '../iptables/kernel-tables.ts';
import type { Mode, ModeReport, ServicePorts } from '../mode.ts';
import type { ServicePort, ServicePortName } from '../model/service-port.ts';

/**
 * Takes turns with whoever removes what another mode left in the same tables: chains have the same names in both. What is removed
 * elsewhere takes no turn. `cleanUp` asks for its own turns.
 */
export class InTurn implements Mode, Disposable {
  readonly #mode: Mode;
  readonly #tables: () => Promise<Tables>;
  readonly #resources: Disposable;

  /** @param resources to be disposed of with it */
  constructor(mode: Mode, tables: () => Promise<Tables>, resources: Disposable) {
    this.#mode = mode;
    this.#tables = tables;
    this.#resources = resources;
  }

  async replace(ports: ServicePorts): Promise<ModeReport> {
    return await this.#alone(() => this.#mode.replace(ports));
  }

  async update(ports: ServicePorts, changed: ReadonlySet<ServicePortName>): Promise<ModeReport> {
    return await this.#alone(() => this.#mode.update(ports, changed));
  }

  async verify(ports: ServicePorts): Promise<ModeReport> {
    return await this.#alone(() => this.#mode.verify(ports));
  }

  explain(port: ServicePort): Promise<readonly string[]> {
    return this.#mode.explain(port);
  }

  cleanUp(isReplaced?: boolean): Promise<void> {
    return this.#mode.cleanUp(isReplaced);
  }

  [Symbol.dispose](): void {
    this.#resources[Symbol.dispose]();
  }

  async #alone(work: () => Promise<ModeReport>): Promise<ModeReport> {
    return await (await this.#tables()).alone(work);
  }
}
