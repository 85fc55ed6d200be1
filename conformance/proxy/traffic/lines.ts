/** A child that takes lines and gives lines, in a namespace or here; it ends with its starter. */

import type { Subprocess } from 'bun';

export class LineProcess implements AsyncDisposable {
  readonly #name: string;
  readonly #child: Subprocess<'pipe', 'pipe', 'inherit'>;
  readonly #lines: AsyncGenerator<string>;

  /** @param enter the command that enters the namespace, if it is another: see `inNetns` */
  constructor(enter: readonly string[], script: string, ...args: readonly string[]) {
    this.#name = script;
    this.#child = Bun.spawn(
      [
        'setpriv',
        '--pdeathsig',
        'KILL',
        ...enter,
        process.execPath,
        `${import.meta.dirname}/${script}`,
        ...args,
      ],
      { stdin: 'pipe', stdout: 'pipe', stderr: 'inherit' },
    );
    this.#lines = linesOf(this.#child.stdout);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Says a line and waits for the one that answers it. One at a time. @throws Error where it has ended */
  async ask(line: string): Promise<string> {
    this.#child.stdin.write(`${line}\n`);
    await this.#child.stdin.flush();
    return await this.#next();
  }

  /** Closes its stdin, and gives its last line. */
  async finish(): Promise<string> {
    await this.#child.stdin.end();
    const line = await this.#next();
    await this.#child.exited;
    return line;
  }

  async #next(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.#name} ended: ${this.#child.exitCode ?? this.#child.signalCode}`);
    return value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#child.exited;
  }
}

/** What enters a network namespace that has a name. */
export function inNetns(name: string): readonly string[] {
  return ['nsenter', `--net=/run/netns/${name}`, '--'];
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}
