/** Traffic from a namespace, by a process of its own. */

import { LineProcess } from './lines.ts';
import type { TrafficOptions, TrafficReport } from './report.ts';

export class TrafficClient implements AsyncDisposable {
  readonly #process: LineProcess;

  /** @param enter the command that enters the namespace: `inNetns(…)`, or nothing */
  constructor(enter: readonly string[], options: TrafficOptions) {
    this.#process = new LineProcess(enter, 'client-main.ts', JSON.stringify(options));
  }

  /** What happened since the last report. */
  async report(): Promise<TrafficReport> {
    return JSON.parse(await this.#process.ask('report')) as TrafficReport;
  }

  /** Opens no more, waits for what is under way. */
  async stop(): Promise<TrafficReport> {
    return JSON.parse(await this.#process.finish()) as TrafficReport;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]();
  }
}
