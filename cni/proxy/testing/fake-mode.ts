/** A mode that programs a Map, and fails as asked. */

import type { Mode, ModeReport, ModeSettings, ServicePorts } from '../mode.ts';
import type { Family } from '../model/endpoint.ts';
import type { ServicePort, ServicePortName } from '../model/service-port.ts';
import type { ModeKit } from '../modes/kit.ts';

/** What both families' modes share: the kernel. */
export class FakeKernel implements ModeKit {
  /** Outlives the modes, as a kernel does. */
  readonly tables: Map<Family, Map<ServicePortName, ServicePort>> = new Map();
  readonly calls: string[] = [];
  readonly modes: FakeMode[] = [];
  /** Thrown by the next calls that write, one each. */
  readonly failures: Error[] = [];
  /** Families of which it takes nothing. */
  readonly lacks: Set<Family> = new Set();
  /** Names that the kernel does not take. */
  readonly refused: Set<ServicePortName> = new Set();
  /** What every report has besides. */
  told: Partial<ModeReport> = {};
  boot = 'one';
  readonly #watches = new Map<Family, () => void>();

  create(settings: ModeSettings): Mode & Disposable {
    const mode = new FakeMode(this, settings);
    this.modes.push(mode);
    return mode;
  }

  isEmpty(family: Family): boolean {
    return !this.tables.has(family);
  }

  watch(family: Family, onForeign: () => void): Promise<Disposable> {
    this.#watches.set(family, onForeign);
    return Promise.resolve({ [Symbol.dispose]: () => void this.#watches.delete(family) });
  }

  reboot(): void {
    this.tables.clear();
    this.boot += ' more';
  }

  /** As somebody else who empties a table. */
  flush(family: Family): void {
    this.tables.get(family)?.clear();
    this.#watches.get(family)?.();
  }

  [Symbol.dispose](): void {
    this.calls.push('dispose');
  }

  /** Names in a family's table. */
  names(family: Family): string[] {
    return [...(this.tables.get(family)?.keys() ?? [])].sort();
  }
}

export class FakeMode implements Mode, Disposable {
  readonly settings: ModeSettings;
  readonly #kernel: FakeKernel;

  constructor(kernel: FakeKernel, settings: ModeSettings) {
    this.#kernel = kernel;
    this.settings = settings;
  }

  async replace(ports: ServicePorts): Promise<ModeReport> {
    this.#call('replace');
    const before = this.#table.size;
    this.#kernel.tables.set(this.settings.family, new Map());
    return this.#put(
      ports,
      [...ports].map(({ name }) => name),
      before,
    );
  }

  async update(ports: ServicePorts, changed: ReadonlySet<ServicePortName>): Promise<ModeReport> {
    this.#call(`update ${[...changed].sort().join()}`);
    return this.#put(ports, changed, 0);
  }

  async verify(ports: ServicePorts): Promise<ModeReport> {
    this.#call('verify');
    const before = new Map(this.#table);
    const report = this.#put(
      ports,
      [...ports].map(({ name }) => name),
      0,
    );
    let repairs = 0;
    for (const port of ports) if (before.get(port.name) !== port) repairs += 1;
    return { ...report, repairs };
  }

  async explain(port: ServicePort): Promise<readonly string[]> {
    return this.#table.has(port.name) ? [`${port.name} is there`] : [];
  }

  async cleanUp(): Promise<void> {
    this.#call('clean-up');
    this.#kernel.tables.delete(this.settings.family);
  }

  [Symbol.dispose](): void {
    this.#kernel.calls.push(`v${this.settings.family} dispose`);
  }

  get #table(): Map<ServicePortName, ServicePort> {
    const known = this.#kernel.tables.get(this.settings.family);
    if (known) return known;
    const table = new Map<ServicePortName, ServicePort>();
    this.#kernel.tables.set(this.settings.family, table);
    return table;
  }

  #call(what: string): void {
    this.#kernel.calls.push(`v${this.settings.family} ${what}`);
    if (this.#kernel.lacks.has(this.settings.family)) throw new Error('EAFNOSUPPORT');
    const failure = this.#kernel.failures.shift();
    if (failure) throw failure;
  }

  #put(ports: ServicePorts, names: Iterable<ServicePortName>, changes: number): ModeReport {
    const refused: { name: ServicePortName; why: string }[] = [];
    let count = changes;
    for (const name of names) {
      count += 1;
      const port = ports.get(name);
      if (port === undefined) this.#table.delete(name);
      else if (this.#kernel.refused.has(name)) refused.push({ name, why: 'EINVAL' });
      else this.#table.set(name, port);
    }
    return { changes: count, refused, repairs: 0, ...this.#kernel.told };
  }
}
