/** What traffic is asked for, and what became of it. */

/** Connections to one address, each of them opened, answered, checked and closed. */
export interface Target {
  readonly address: string;
  readonly port: number;
  /** New connections a second, evenly. */
  readonly perSecond: number;
  /** Connections that stay open, and on which something is said every `sayEveryMs`. */
  readonly held?: number;
  /** The client's own address, where it has several. */
  readonly from?: string;
}

export interface TrafficOptions {
  readonly targets: readonly Target[];
  /** Who is not answered within this time (ms) has failed. */
  readonly patienceMs: number;
  /** By default 50 ms. */
  readonly sayEveryMs?: number;
}

export interface Failure {
  /** `address:port`. */
  readonly target: string;
  /** errno, or what happened in place of an answer. */
  readonly what: string;
  /** When it was opened, and when it failed (ms since the epoch). */
  readonly openedAt: number;
  readonly at: number;
}

/** What happened since the last report. */
export interface TrafficReport {
  readonly seconds: number;
  readonly opened: number;
  readonly answered: number;
  /** All of them. */
  readonly failed: number;
  /** The first of them. */
  readonly failures: readonly Failure[];
  /** Answered, but a packet had to be sent again. */
  readonly resent: number;
  /** Connections that were due and not opened, because this machine had no time for them. */
  readonly skipped: number;
  /** Time from the first packet to the answer (ms). */
  readonly latency: { readonly p50: number; readonly p99: number; readonly most: number };
  /** Who answered how many, and when the last of them was opened (ms since the epoch). */
  readonly by: Readonly<Record<string, { readonly count: number; readonly lastOpenedAt: number }>>;
  readonly held: {
    /** Words that came back. */
    readonly exchanges: number;
    /** Closed by the server in order, and opened anew. */
    readonly ended: number;
  };
}

/** More are counted, not told. */
const MOST_TOLD = 20;

/** Gathers a report. */
export class Tally {
  #startedAt = performance.now();
  #opened = 0;
  #failed = 0;
  #failures: Failure[] = [];
  #resent = 0;
  #skipped = 0;
  #exchanges = 0;
  #ended = 0;
  #latencies: number[] = [];
  #by = new Map<string, { count: number; lastOpenedAt: number }>();

  opened(): void {
    this.#opened += 1;
  }

  skipped(count: number): void {
    this.#skipped += count;
  }

  answered(by: string, tookMs: number, openedAt: number, isResent: boolean): void {
    this.#latencies.push(tookMs);
    if (isResent) this.#resent += 1;
    const known = this.#by.get(by);
    if (known) {
      known.count += 1;
      known.lastOpenedAt = Math.max(known.lastOpenedAt, openedAt);
    } else this.#by.set(by, { count: 1, lastOpenedAt: openedAt });
  }

  failed(failure: Failure): void {
    this.#failed += 1;
    if (this.#failures.length < MOST_TOLD) this.#failures.push(failure);
  }

  exchanged(): void {
    this.#exchanges += 1;
  }

  ended(): void {
    this.#ended += 1;
  }

  /** The report; begins the next. */
  take(): TrafficReport {
    const sorted = this.#latencies.sort((a, b) => a - b);
    const at = (share: number): number =>
      Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 100) / 100;
    const now = performance.now();
    const report: TrafficReport = {
      seconds: Math.round(now - this.#startedAt) / 1000,
      opened: this.#opened,
      answered: sorted.length,
      failed: this.#failed,
      failures: this.#failures,
      resent: this.#resent,
      skipped: this.#skipped,
      latency: { p50: at(0.5), p99: at(0.99), most: at(1) },
      by: Object.fromEntries(this.#by),
      held: { exchanges: this.#exchanges, ended: this.#ended },
    };
    this.#startedAt = now;
    this.#opened = 0;
    this.#failed = 0;
    this.#failures = [];
    this.#resent = 0;
    this.#skipped = 0;
    this.#exchanges = 0;
    this.#ended = 0;
    this.#latencies = [];
    this.#by = new Map();
    return report;
  }
}

/** One line for people. */
export function summary({
  seconds,
  opened,
  answered,
  failed,
  resent,
  skipped,
  latency,
  held,
}: TrafficReport): string {
  const parts = [
    `${opened} connections in ${seconds.toFixed(1)} s (${Math.round(opened / seconds)} a second)`,
    `${answered} answered`,
    `${failed} failed`,
    `${resent} with a packet sent again`,
    ...(skipped > 0 ? [`${skipped} not opened in time`] : []),
    `p50 ${latency.p50} ms, p99 ${latency.p99} ms, most ${latency.most} ms`,
    ...(held.exchanges > 0
      ? [`${held.exchanges} words on open connections, ${held.ended} of them ended in order`]
      : []),
  ];
  return parts.join(', ');
}
