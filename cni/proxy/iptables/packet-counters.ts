/** The counters of packets in the kernel of one network namespace. */

import { NfCounters } from '../../../shared/netlink/nfacct.ts';
import { COUNTERS, type Counted } from './counters.ts';

/** What the mode asks of them. */
export interface CounterKeeper {
  /** Makes those that are not there. @returns what is counted; nothing where the kernel has no such counters */
  make(): ReadonlySet<Counted>;
  /** Removes those that no rule counts into. */
  remove(): void;
}

/** Where nothing is counted. */
export const NO_COUNTERS: CounterKeeper = { make: () => new Set(), remove: () => {} };

export class PacketCounters implements CounterKeeper, Disposable {
  readonly #counters: NfCounters;

  private constructor(counters: NfCounters) {
    this.#counters = counters;
  }

  /** @returns `undefined` where the kernel does not know such counters */
  static open(): PacketCounters | undefined {
    const counters = NfCounters.open();
    return counters && new PacketCounters(counters);
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

  remove(): void {
    // One that stays counts nothing, and is in nobody's way.
    for (const what of all()) succeeds(() => this.#counters.delete(COUNTERS[what]));
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
