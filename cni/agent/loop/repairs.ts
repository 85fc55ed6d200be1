/** Bookkeeping of repairs: counts them, logs them, and slows down where somebody keeps undoing them. */

import type { Clock } from '../../../shared/daemon/clock.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import { RepairLimiter } from './repair-limiter.ts';

/** What is repaired; the label of the metric. */
export type RepairKind =
  | 'device'
  | 'address'
  | 'neighbour'
  | 'fdb'
  | 'wireguard-peer'
  | 'route'
  | 'nftables'
  | 'iptables'
  | 'forward-accept'
  | 'sysctl'
  | 'subnet-file';

export interface RepairsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly count: (kind: RepairKind) => void;
  /** A repair was put off: look again in that many milliseconds. */
  readonly onPutOff: (waitMs: number) => void;
}

export class Repairs {
  readonly #options: RepairsOptions;
  readonly #limiter = new RepairLimiter();
  readonly #told = new Map<RepairKind, number>();
  readonly #counts = new Map<RepairKind, number>();

  constructor(options: RepairsOptions) {
    this.#options = options;
  }

  /** How many repairs were allowed so far, by kind. */
  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  /** Asks to put an object right that was right before; false when it has been undone too often lately. */
  allow(kind: RepairKind, object: string): boolean {
    const { clock, log, count, onPutOff } = this.#options;
    const { allowed, fightBegins, waitMs } = this.#limiter.ask(`${kind} ${object}`, clock.monotonic());
    if (allowed) {
      this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
      count(kind);
      log.debug('repairing', { kind, object });
      return true;
    }
    if (fightBegins && this.#mayTell(kind)) {
      log.warn('somebody keeps undoing this; it is repaired less often from now on', { kind, object });
    }
    onPutOff(waitMs);
    return false;
  }

  /** Who fights over one route fights over a thousand: one line a kind and minute. */
  #mayTell(kind: RepairKind): boolean {
    const now = this.#options.clock.monotonic();
    if (now - (this.#told.get(kind) ?? Number.NEGATIVE_INFINITY) < 60_000) return false;
    this.#told.set(kind, now);
    return true;
  }
}
