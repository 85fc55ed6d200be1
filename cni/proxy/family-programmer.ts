/**
 * Brings the model of one address family into the kernel: what changed, all of it after a surprise, and nothing before the
 * source's lists are in. One call at a time, made by the loop.
 */

import type { Clock } from '../../shared/daemon/clock.ts';
import { errorText } from '../../shared/log/format.ts';
import type { Logger } from '../../shared/log/logger.ts';
import type { Mode, ModeReport, ModeSettings, ServicePorts } from './mode.ts';
import type { ServicePort, ServicePortName } from './model/service-port.ts';
import type { ModeKit } from './modes/kit.ts';

/** Comparing everything takes no more than this part of the time … */
const SHARE = 1 / 10;
/**
 * … in the long run: so much time (ms) has to be filled before the next one waits. Somebody who flushes tables by hand a few
 * times while the processors are busy, and comparing takes long, is not to wait for seconds.
 */
const CREDIT = 2000;

/** What a run did. */
export interface Run {
  readonly kind: 'full' | 'partial' | 'verify';
  readonly report: ModeReport;
  readonly tookMs: number;
  /** Names that were handed to the mode; `undefined`: all. */
  readonly names: ReadonlySet<ServicePortName> | undefined;
  /** When the first of the changes came (monotonic ms). */
  readonly since: number | undefined;
}

export interface FamilyProgrammerOptions {
  readonly kit: ModeKit;
  readonly clock: Clock;
  readonly log: Logger;
  readonly ports: ServicePorts;
  /** To be called before anything is written. */
  readonly beforeFirst: () => void;
  /** What is of no use any more could not be cleared away. */
  readonly onTrouble: (error: unknown) => void;
}

export class FamilyProgrammer implements Disposable {
  readonly #options: FamilyProgrammerOptions;
  /** What modes are given: it stands still while they work, as the model does not. */
  #given = new Map<ServicePortName, ServicePort>();
  #mode: (Mode & Disposable) | undefined;
  #settings: ModeSettings | undefined;
  #changed = new Set<ServicePortName>();
  #since: number | undefined;
  #wantsAll = true;
  #wantsCheck = false;
  #refused = new Map<ServicePortName, string>();
  #isProgrammed = false;
  /** Until when the time is filled that comparisons may take a part of (monotonic ms). */
  #filledUntil = Number.NEGATIVE_INFINITY;

  constructor(options: FamilyProgrammerOptions) {
    this.#options = options;
  }

  /** What is to be programmed and how. Other settings are another mode, which takes over what is in the kernel. */
  configure(settings: ModeSettings): boolean {
    if (this.#settings && Bun.deepEquals(this.#settings, settings)) return false;
    this.#mode?.[Symbol.dispose]();
    this.#mode = undefined;
    this.#settings = settings;
    this.#wantsAll = true;
    return true;
  }

  get settings(): ModeSettings | undefined {
    return this.#settings;
  }

  /** Marks names as changed. */
  changed(names: Iterable<ServicePortName>, at: number): void {
    for (const name of names) this.#changed.add(name);
    if (this.#changed.size > 0) this.#since ??= at;
  }

  /**
   * Has everything compared with the kernel at the next run. @returns how long to wait for that (ms): not at all, unless
   * somebody has it asked for all the time; `undefined`: it has been asked for already
   */
  check(): number | undefined {
    if (this.#wantsCheck) return undefined;
    this.#wantsCheck = true;
    return Math.max(0, this.#filledUntil - CREDIT - this.#options.clock.monotonic());
  }

  get pending(): number {
    return this.#changed.size;
  }

  /** What the kernel does not take, and why. */
  get refused(): ReadonlyMap<ServicePortName, string> {
    return this.#refused;
  }

  /** The whole model has been programmed once. */
  get isProgrammed(): boolean {
    return this.#isProgrammed;
  }

  /** The kernel has all of the model, as far as anybody has said. */
  get isUpToDate(): boolean {
    return this.#isProgrammed && !this.#wantsAll && !this.#wantsCheck && this.#changed.size === 0;
  }

  get mode(): Mode | undefined {
    return this.#mode;
  }

  /** Does what there is to do; `undefined`: nothing. @throws whatever the mode throws; then everything is done anew */
  async run(): Promise<Run | undefined> {
    try {
      return await this.#run();
    } catch (error) {
      if ((error as { readonly code?: unknown }).code !== 'EPERM') throw error;
      throw new Error('this takes root, or CAP_NET_ADMIN in the network namespace of the node', {
        cause: error,
      });
    }
  }

  async #run(): Promise<Run | undefined> {
    const { clock, ports } = this.#options;
    if (!this.#settings) return undefined;
    const names = this.#changed;
    const since = this.#since;
    const startedAt = clock.monotonic();
    const done = (kind: Run['kind'], report: ModeReport): Run => {
      this.#keepRefused(kind, names, report);
      return {
        kind,
        report,
        tookMs: clock.monotonic() - startedAt,
        names: kind === 'partial' ? names : undefined,
        since,
      };
    };
    if (!this.#wantsAll && !this.#wantsCheck && names.size === 0) return undefined;
    const mode = this.#made(this.#settings);
    this.#changed = new Set();
    this.#since = undefined;
    if (this.#wantsAll) {
      this.#given = new Map(Array.from(ports, (port) => [port.name, port]));
      try {
        // What is asked for from here on, other settings included, is for the next run.
        this.#wantsAll = false;
        this.#wantsCheck = false;
        const report = await mode.replace(portsOf(this.#given));
        this.#isProgrammed = true;
        return done('full', report);
      } catch (error) {
        this.#wantsAll = true;
        this.#since ??= since;
        throw error;
      }
    }
    for (const name of names) {
      const port = ports.get(name);
      if (port) this.#given.set(name, port);
      else this.#given.delete(name);
    }
    const given = portsOf(this.#given);
    try {
      if (!this.#wantsCheck) return done('partial', await mode.update(given, names));
      this.#wantsCheck = false;
      // A comparison is with what has been programmed: what is pending is programmed first, and is no repair.
      const pending = names.size > 0 ? await mode.update(given, names) : undefined;
      const compared = await mode.verify(given);
      const report = pending ? sum(pending, compared) : compared;
      this.#filledUntil = Math.max(this.#filledUntil, startedAt) + (clock.monotonic() - startedAt) / SHARE;
      return done('verify', report);
    } catch (error) {
      // How much of it the kernel has nobody knows.
      this.#wantsAll = true;
      this.#since ??= since;
      this.#options.log.warn('what was to be programmed was not: everything is compared anew', {
        error: errorText(error),
      });
      throw error;
    }
  }

  /** Programs other ports than the model's, as long as that has none. @throws whatever the mode throws */
  async restore(ports: ServicePorts): Promise<ModeReport | undefined> {
    return this.#settings && (await this.#made(this.#settings).replace(ports));
  }

  [Symbol.dispose](): void {
    this.#mode?.[Symbol.dispose]();
    this.#mode = undefined;
  }

  #made(settings: ModeSettings): Mode {
    if (this.#mode) return this.#mode;
    this.#options.beforeFirst();
    this.#mode = this.#options.kit.create(settings, this.#options.onTrouble);
    return this.#mode;
  }

  #keepRefused(kind: Run['kind'], names: ReadonlySet<ServicePortName>, { refused }: ModeReport): void {
    const before = this.#refused;
    this.#refused = kind === 'partial' ? new Map(before) : new Map();
    if (kind === 'partial') for (const name of names) this.#refused.delete(name);
    for (const { name, why } of refused) {
      this.#refused.set(name, why);
      if (before.get(name) !== why)
        this.#options.log.error('the kernel does not take a service port; the others are programmed', {
          name,
          why,
        });
    }
  }
}

function portsOf(map: ReadonlyMap<ServicePortName, ServicePort>): ServicePorts {
  return {
    get: (name) => map.get(name),
    get size() {
      return map.size;
    },
    [Symbol.iterator]: () => map.values(),
  };
}

/** What one call and the next came to; what is refused the last one says. */
function sum(first: ModeReport, last: ModeReport): ModeReport {
  return {
    ...first,
    ...last,
    changes: first.changes + last.changes,
    repairs: first.repairs + last.repairs,
  };
}
