/**
 * What the proxy has programmed on this node, on its disk: `--cleanup` removes what is named there and nothing else, and a
 * proxy that starts in another mode knows what to take away once its own rules are in.
 */

import type { Logger } from '../../../shared/log/logger.ts';
import { mkdirp, readTextIfExists, writeFileAtomic } from '../../../shared/sys/file.ts';
import type { ModeName } from '../config/configuration.ts';
import type { Family } from '../model/endpoint.ts';

/** Written by this release; read by it and the next. */
const VERSION = 1;

export interface Programmed {
  readonly mode: ModeName;
  readonly family: Family;
}

export class ProgrammedModes {
  readonly #path: string;
  readonly #log: Logger;
  #all: readonly Programmed[];
  #isDamaged = false;

  /** @param stateDir made where it is missing, when something is to be written */
  constructor(stateDir: string, log: Logger) {
    this.#path = `${stateDir}/proxy.json`;
    this.#log = log;
    this.#all = this.#read();
  }

  get path(): string {
    return this.#path;
  }

  /** There is a file, but it says nothing: more may be programmed than `all` has. */
  get isDamaged(): boolean {
    return this.#isDamaged;
  }

  get all(): readonly Programmed[] {
    return this.#all;
  }

  /** To be called before the first rule is written. @throws SyscallError: then nothing must be */
  add(mode: ModeName, family: Family): void {
    if (this.#all.some((one) => one.mode === mode && one.family === family)) return;
    this.#write([...this.#all, { mode, family }]);
  }

  /** To be called when it is gone from the kernel. @throws SyscallError */
  remove(mode: ModeName, family: Family): void {
    const rest = this.#all.filter((one) => one.mode !== mode || one.family !== family);
    if (rest.length < this.#all.length) this.#write(rest);
  }

  #read(): readonly Programmed[] {
    try {
      const text = readTextIfExists(this.#path);
      return text === undefined ? [] : parse(text);
    } catch (error) {
      this.#log.warn('the state file cannot be read and is made anew', { path: this.#path, error });
      this.#isDamaged = true;
      return [];
    }
  }

  #write(all: readonly Programmed[]): void {
    mkdirp(this.#path.slice(0, this.#path.lastIndexOf('/')), 0o700);
    writeFileAtomic(this.#path, `${JSON.stringify({ version: VERSION, programmed: all })}\n`, {
      mode: 0o600,
    });
    this.#all = all;
  }
}

function parse(text: string): readonly Programmed[] {
  const { version, programmed } = JSON.parse(text) as Readonly<Record<string, unknown>>;
  if (version !== VERSION) throw new Error(`it has version ${String(version)}, not ${VERSION}`);
  if (!Array.isArray(programmed)) throw new Error('it does not say what was programmed');
  return programmed.filter(
    ({ mode, family }: { mode?: unknown; family?: unknown }): boolean =>
      ['nftables', 'iptables', 'ipvs'].includes(String(mode)) && (family === 4 || family === 6),
  ) as Programmed[];
}
