/** A program's Prometheus metrics: one registry, names with one prefix. */

import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** The Content-Type of the text exposition format. */
export const METRICS_CONTENT_TYPE: string = Registry.PROMETHEUS_CONTENT_TYPE;

/** Makes metrics; every name gets the program's prefix. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #prefix: string;

  /** @param prefix such as `underpod_agent_` */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** A count that only grows. */
  counter<Label extends string = never>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ): Counter<Label> {
    return new Counter<Label>({ name: this.#prefix + name, help, labelNames, registers: [this.#registry] });
  }

  /** A count that somebody else keeps, looked up at each scrape. @param collect `undefined`: it cannot be told now */
  counterOf(name: string, help: string, collect: () => number | undefined): Counter {
    return new Counter({
      name: this.#prefix + name,
      help,
      registers: [this.#registry],
      collect(this: Counter): void {
        const value = collect();
        if (value === undefined) {
          this.remove();
          return;
        }
        this.reset();
        this.inc(value);
      },
    });
  }

  /** A value that goes up and down. @param collect called before each scrape, for values that are looked up */
  gauge<Label extends string = never>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
    collect?: () => number,
  ): Gauge<Label> {
    return new Gauge<Label>({
      name: this.#prefix + name,
      help,
      labelNames,
      registers: [this.#registry],
      ...(collect && {
        collect(this: Gauge<Label>): void {
          this.set(collect());
        },
      }),
    });
  }

  /** Values by one label, looked up at each scrape. */
  gauges<Label extends string>(
    name: string,
    help: string,
    label: Label,
    collect: () => Readonly<Record<string, number>>,
  ): Gauge<Label> {
    return new Gauge<Label>({
      name: this.#prefix + name,
      help,
      labelNames: [label],
      registers: [this.#registry],
      collect(this: Gauge<Label>): void {
        this.reset();
        for (const [value, count] of Object.entries(collect()))
          this.set({ [label]: value } as Record<Label, string>, count);
      },
    });
  }

  /** Values by several labels, looked up at each scrape. */
  gaugeTable<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    collect: () => Iterable<readonly [labels: Readonly<Record<Label, string>>, value: number]>,
  ): Gauge<Label> {
    return new Gauge<Label>({
      name: this.#prefix + name,
      help,
      labelNames,
      registers: [this.#registry],
      collect(this: Gauge<Label>): void {
        this.reset();
        for (const [labels, value] of collect()) this.set(labels, value);
      },
    });
  }

  /** A distribution. @param buckets upper bounds in the metric's unit, seconds for times */
  histogram<Label extends string = never>(
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames: readonly Label[] = [],
  ): Histogram<Label> {
    return new Histogram<Label>({
      name: this.#prefix + name,
      help,
      labelNames,
      buckets: [...buckets],
      registers: [this.#registry],
    });
  }

  /** The text exposition of all metrics. */
  expose(): Promise<string> {
    return this.#registry.metrics();
  }
}
