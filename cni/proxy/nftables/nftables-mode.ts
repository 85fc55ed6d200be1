/** The nftables mode of the service proxy for one address family: see the tables in ../README.md. */

import type { Nftables } from '../../../shared/nftables/nftables.ts';
import { Transaction } from '../../../shared/nftables/transaction.ts';
import type { Mode, ModeReport, ModeSettings, ServicePorts } from '../mode.ts';
import type { ServicePort, ServicePortName } from '../model/service-port.ts';
import { explainPort } from './explain.ts';
import { TableState } from './table-state.ts';

/** Time as a mode needs it. */
export interface ModeClock {
  /** Milliseconds that never jump. */
  monotonic(): number;
  /** Calls back once after that many milliseconds. */
  after(ms: number, callback: () => void): { cancel(): void };
}

export interface NftablesModeOptions {
  /** What failed while nobody was waiting for it: clearing away what is of no use any more. */
  readonly onTrouble?: (error: unknown) => void;
}

/**
 * How long something stays that nobody is led to any more, in milliseconds: packets may be on the way to it, and kernels
 * before 6.2 hold chains for a while that were referred to.
 */
export const LINGER = 1000;

/**
 * How long shared chains stay that no service needs, in milliseconds, and how often they are looked for while services change:
 * numbers of endpoints come and go, and to make a chain costs as much as a hundred other changes.
 */
export const KEEP = 600_000;
/** Between the parts of such a look, in milliseconds. */
const PAUSE = 5;

export class NftablesMode implements Mode, Disposable {
  readonly #nft: Nftables;
  readonly #clock: ModeClock;
  readonly #state: TableState;
  readonly #options: NftablesModeOptions;
  #timer: { cancel(): void } | undefined;
  #leisure: { cancel(): void } | undefined;

  /** Does not own `nft`, whose namespace it programs. */
  constructor(settings: ModeSettings, nft: Nftables, clock: ModeClock, options: NftablesModeOptions = {}) {
    this.#nft = nft;
    this.#clock = clock;
    this.#options = options;
    this.#state = new TableState(settings, nft, () => clock.monotonic());
  }

  async replace(ports: ServicePorts): Promise<ModeReport> {
    return this.#done(this.#state.replace(ports));
  }

  async update(ports: ServicePorts, changed: ReadonlySet<ServicePortName>): Promise<ModeReport> {
    return this.#done(this.#state.update(ports, changed));
  }

  async verify(ports: ServicePorts): Promise<ModeReport> {
    return this.#done(this.#state.verify(ports));
  }

  async explain(port: ServicePort): Promise<readonly string[]> {
    return explainPort(this.#nft, this.#state.layout, port);
  }

  async cleanUp(): Promise<void> {
    this[Symbol.dispose]();
    this.#nft.run(new Transaction().destroyTable(this.#state.layout.table));
    this.#state.forget();
  }

  /** Programs nothing any more; the table stays. */
  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#leisure?.cancel();
    this.#leisure = undefined;
  }

  #done(report: ModeReport): ModeReport {
    this.#sweepLater();
    this.#giveBackLater();
    return report;
  }

  #giveBackLater(): void {
    this.#leisure ??= this.#clock.after(KEEP, () => this.#giveBack(this.#state.giveBack(KEEP)));
  }

  /** A part of the look, and the others after each pause. */
  #giveBack(look: Generator<undefined, boolean>): void {
    const { done, value } = look.next();
    if (!done) {
      this.#leisure = this.#clock.after(PAUSE, () => this.#giveBack(look));
      return;
    }
    this.#leisure = undefined;
    if (value) this.#giveBackLater();
    this.#sweepLater();
  }

  #sweepLater(): void {
    if (this.#timer !== undefined || !this.#state.hasUseless) return;
    this.#timer = this.#clock.after(LINGER, () => {
      this.#timer = undefined;
      try {
        this.#state.sweep(LINGER);
      } catch (error) {
        this.#options.onTrouble?.(error);
      }
      this.#sweepLater();
    });
  }
}
