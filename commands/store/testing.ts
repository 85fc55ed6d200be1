import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedStore } from '../../shared/store/embedded/store.ts';
import type { CommandIo } from './command.ts';

type Command = (args: string[], io?: CommandIo) => Promise<number>;

/** What a command did. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A store of its own for a test of commands; disposing removes it. */
export class CommandBench implements Disposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'underpod-command-'));
  readonly store: string = join(this.directory, 'store.db');

  /** Runs the command on this store. */
  async run(command: Command, args: readonly string[], stdin: string = ''): Promise<Ran> {
    let out = '';
    let err = '';
    const code = await command([...args, '--store', this.store], {
      out: (text) => {
        out += text;
      },
      err: (text) => {
        err += text;
      },
      stdin: async () => stdin,
    });
    return { code, out, err };
  }

  /** Writes a file beside the store. @returns its path */
  file(name: string, content: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, content);
    return path;
  }

  /** The store, as an agent has it. */
  open(): EmbeddedStore {
    return EmbeddedStore.open(this.store);
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
