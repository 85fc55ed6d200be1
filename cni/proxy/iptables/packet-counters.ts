/** The counters of packets in the kernel of one network namespace. */

import type { Clock } from '../../../shared/daemon/clock.ts';
import { NfCounters } from '../../../shared/netlink/nfacct.ts';
import { COUNTERS, type Counted } from './counters.ts';

/** How often, and how far apart in milliseconds, it is tried to delete counters that rules counted into just now. */
const TRIES = 10;
const TRY_INTERVAL = 20;

/** What the mode asks of them. */
export interface CounterKeeper {
  /** Makes those that are not there. @returns what is counted; nothing where the kernel has no such counters */
  make(): ReadonlySet<Counted>;
  /** Removes those that no rule counts into. @returns whether there were any */
  remove(): Promise<boolean>;
}

/** Where nothing is counted. */
export const NO_COUNTERS: CounterKeeper = { make: () => new Set(), remove: async () => false };

export class PacketCounters implements CounterKeeper, Disposable {
  readonly #counters: NfCounters;
  readonly #clock: Pick<Clock, 'after'>;

  private constructor(counters: NfCounters, clock: Pick<Clock, 'after'>) {
    this.#counters = counters;
    this.#clock = clock;
  }

  /** @returns `undefined` where the kernel does not know such counters */
  static open(clock: Pick<Clock, 'after'>): PacketCounters | undefined {
    const counters = NfCounters.open();
    return counters && new PacketCounters(counters, clock);
  }

  make(): ReadonlySet<Counted> {
    // As in kube-proxy: what cannot be made is not counted into.
    return new Set(all().filter((what) => succeeds(() => this.#counters.ensure(COUNTERS[what]))));
  }

  /** @returns `undefined`: it cannot be told */
  packets(what: Counted): number | undefined {
    let packets: number | undefined;
    succeeds(() => {
      const counter = this.#counters.get(COUNTERS[what]);
      packets = counter && Number(counter.packets);
    });
    return packets;
  }

  async remove(): Promise<boolean> {
    const there = all().filter((what) => this.packets(what) !== undefined);
    // The kernel gives rules of nf_tables free a little after they have gone. One that stays is in nobody's way.
    for (let tries = 0; tries < TRIES; tries += 1) {
      for (const what of there) succeeds(() => this.#counters.delete(COUNTERS[what]));
      if (there.every((what) => this.packets(what) === undefined)) break;
      await new Promise<void>((resolve) => this.#clock.after(TRY_INTERVAL, resolve));
    }
    return there.some((what) => this.packets(what) === undefined);
  }

  [Symbol.dispose](): void {
    this.#counters[Symbol.dispose]();
  }
}

function all(): Counted[] {
  return Object.keys(COUNTERS) as Counted[];
}

function succeeds(work: () => void): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}
