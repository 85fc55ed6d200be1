/** What is told of an agent while its datastore is not open yet: that it is alive, and what it waits for. */

import { locationOf } from '../datastores/options.ts';
import { startingMetrics } from '../metrics.ts';
import type { AgentOptions } from '../options.ts';
import type { Served } from './http.ts';

export class Starting implements Served {
  readonly ready = false;
  readonly metrics: Served['metrics'] = { registry: startingMetrics() };
  readonly #what: string;
  #why: string | undefined;

  constructor({ datastore }: Pick<AgentOptions, 'datastore'>) {
    this.#what = `waiting for the datastore (${datastore.type}, ${locationOf(datastore)})`;
  }

  get problems(): readonly string[] {
    return [this.#why === undefined ? this.#what : `${this.#what}: ${this.#why}`];
  }

  /** What stands in the way. */
  waitsFor(why: string): void {
    this.#why = why;
  }

  status(): undefined {
    return undefined;
  }
}
