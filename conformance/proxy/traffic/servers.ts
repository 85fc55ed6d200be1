/** Servers in a namespace, by a process of its own. */

import { LineProcess } from './lines.ts';

export class TrafficServers implements AsyncDisposable {
  readonly #process: LineProcess;
  #last: Promise<unknown> = Promise.resolve();

  /** @param enter the command that enters the namespace: `inNetns(…)`, or nothing */
  constructor(enter: readonly string[]) {
    this.#process = new LineProcess(enter, 'server-main.ts');
  }

  /** @param name what it answers with */
  async listen(name: string, address: string, port: number): Promise<void> {
    await this.#ask(`listen ${name} ${address} ${port}`);
  }

  /** Nobody new is served, and who is connected is told that it is over. */
  async end(name: string): Promise<void> {
    await this.#ask(`end ${name}`);
  }

  async #ask(line: string): Promise<void> {
    const asked = this.#last.then(() => this.#process.ask(line));
    this.#last = asked.catch(() => {});
    await asked;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]();
  }
}
