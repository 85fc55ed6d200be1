/** Credentials from a program that a kubeconfig names (client.authentication.k8s.io ExecCredential). */

import type { KubeClock } from '../clock.ts';
import { AccessError } from './access.ts';
import { type ExecContext, execInfo, type Kept, parseCredential } from './exec-credential.ts';
import type { ExecEntry } from './kubeconfig-file.ts';

/** A plugin that says nothing for this long (ms) hangs; the cloud providers' take seconds at most. */
const PATIENCE = 60_000;
/** What a plugin has left behind may hold its output open: that is waited for no longer than this (ms). */
const LAST_WORDS = 1000;
/** Most of what a plugin prints (bytes). A token is a few kilobytes. */
const MOST_OUTPUT = 1024 * 1024;

/** Runs the plugin when it has to, and keeps what it said until that expires or is refused. */
export class ExecCredentials {
  readonly #clock: KubeClock;
  #kept: Kept | undefined;
  #running: Promise<Kept> | undefined;

  constructor(clock: KubeClock) {
    this.#clock = clock;
  }

  forget(): void {
    this.#kept = undefined;
  }

  /**
   * One run serves all that ask meanwhile: who gives up leaves it to the others.
   *
   * @throws AccessError with what the plugin said on stderr
   */
  async current(exec: ExecEntry, context: ExecContext): Promise<Kept['credentials']> {
    if (this.#kept && this.#kept.until > this.#clock.now().wallMs) return this.#kept.credentials;
    this.#running ??= run(exec, context, this.#clock).finally(() => {
      this.#running = undefined;
    });
    this.#kept = await this.#running;
    return this.#kept.credentials;
  }
}

async function run(exec: ExecEntry, context: ExecContext, clock: KubeClock): Promise<Kept> {
  const info = execInfo(exec, context);
  const { command } = exec;
  const file = command.includes('/') && !command.startsWith('/') ? `${context.directory}${command}` : command;
  const env: Record<string, string | undefined> = { ...process.env };
  // A Bun program would take them for its own.
  for (const name of ['BUN_OPTIONS', 'BUN_BE_BUN']) delete env[name];
  for (const { name, value } of exec.env ?? []) env[name] = value;
  env['KUBERNETES_EXEC_INFO'] = JSON.stringify(info);
  let child: Bun.Subprocess<'ignore', 'pipe', 'pipe'>;
  try {
    // In a process group of its own: what it starts ends with it.
    const options = { env, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe', detached: true } as const;
    child = Bun.spawn([file, ...(exec.args ?? [])], options);
  } catch (cause) {
    throw new AccessError(`cannot run ${command} for credentials. ${exec.installHint ?? 'Install it.'}`, {
      cause,
    });
  }
  const output = new Output(child.stdout);
  const said = new Output(child.stderr);
  const code = await firstOf(clock, PATIENCE, child.exited);
  if (code === undefined) killGroup(child.pid);
  await firstOf(clock, LAST_WORDS, Promise.all([output.ended, said.ended]));
  killGroup(child.pid);
  for (const each of [output, said]) each[Symbol.dispose]();
  const how = code === undefined ? `within ${PATIENCE / 1000} s and was ended` : `(exit ${code})`;
  if (code !== 0) throw new AccessError(`${command} gave no credentials ${how}: ${said.text.trim()}`);
  return parseCredential(output.text, exec);
}

/** What is used of a stream's reader; of what Bun adds its own type and the standard's differ. */
interface Reader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

/** What a process prints, as far as it has come. */
class Output implements Disposable {
  readonly ended: Promise<void>;
  readonly #reader: Reader;
  #text = '';

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
    this.ended = this.#read().catch(() => {});
  }

  get text(): string {
    return this.#text;
  }

  /** Whoever still holds the other end writes to nobody. */
  [Symbol.dispose](): void {
    this.#reader.cancel().catch(() => {});
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) return;
      if (this.#text.length < MOST_OUTPUT) this.#text += decoder.decode(value, { stream: true });
    }
  }
}

/** `undefined` where the promise takes longer. */
async function firstOf<T>(clock: KubeClock, ms: number, promise: Promise<T>): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  using _ = clock.setTimer(ms, () => late.resolve(undefined));
  return await Promise.race([promise, late.promise]);
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // Nothing of it is left.
  }
}
