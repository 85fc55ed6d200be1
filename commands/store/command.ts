/** What get, apply, delete, backup and restore share: flags, the store, messages and exit codes. */

import { writeSync } from 'node:fs';
import { type FlagSpec, formatFlags, parseArguments } from '../../shared/config/flags.ts';
import { UsageError } from '../../shared/config/usage-error.ts';
import { errorText } from '../../shared/log/format.ts';
import { EmbeddedStore, type StoreOptions } from '../../shared/store/embedded/store.ts';
import { isErrno } from '../../shared/sys/errno.ts';

/** Where a command writes; tests collect it. */
export interface CommandIo {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly stdin: () => Promise<string>;
}

/** The process's own. A reader that went away (`| head`) is no failure. */
export const processIo: CommandIo = {
  out: (text) => writeAll(1, text),
  err: (text) => writeAll(2, text),
  stdin: () => Bun.stdin.text(),
};

/** What a command is called with. */
export interface CommandArguments {
  readonly rest: readonly string[];
  /** The last value of a flag under any of these names. */
  readonly flag: (...names: readonly string[]) => string | undefined;
  /** All values of a flag, in their order. */
  readonly flags: (...names: readonly string[]) => readonly string[];
  readonly io: CommandIo;
  /** What --store names. */
  readonly file: string;
  /** Opens it; it must be there and good, unless the options say otherwise. */
  readonly open: (options?: StoreOptions) => EmbeddedStore;
}

export interface CommandSpec {
  readonly name: string;
  /** What follows the name in the usage line. */
  readonly usage: string;
  readonly description: string;
  readonly flags: readonly FlagSpec[];
  /** @returns the exit code */
  readonly run: (command: CommandArguments) => number | Promise<number>;
}

const storeFlag: FlagSpec = {
  name: 'store',
  kind: 'string',
  value: 'FILE',
  default: '/var/lib/underpod/store.db',
  help: 'the embedded store',
};

/** Runs a command: 0 on success, 1 on failure, 2 where it was called wrongly. */
export async function runCommand(spec: CommandSpec, args: readonly string[], io: CommandIo): Promise<number> {
  const flags = [...spec.flags, storeFlag];
  try {
    const { values, rest, help } = parseArguments(args, flags);
    if (help) {
      const long = flags.filter((flag) => flag.name.length > 1);
      io.out(
        `usage: underpod ${spec.name} ${spec.usage}\n${spec.description}\n\nFlags:\n${formatFlags(long)}\n`,
      );
      return 0;
    }
    const all = (...names: readonly string[]): readonly string[] =>
      names.flatMap((name) => values.get(name) ?? []);
    const file = values.get('store')?.at(-1) ?? storeFlag.default ?? '';
    if (file === '') throw new UsageError('--store is empty; name a file');
    return await spec.run({
      rest,
      flag: (...names) => all(...names).at(-1),
      flags: all,
      io,
      file,
      open: (options) => EmbeddedStore.open(file, { create: false, onDamage: 'refuse', ...options }),
    });
  } catch (error) {
    const hint = isErrno(error, 'EACCES', 'EPERM') ? '; run it as root' : '';
    io.err(`underpod ${spec.name}: ${errorText(error)}${hint}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

function writeAll(fd: 1 | 2, text: string): void {
  const bytes = Buffer.from(text);
  for (let offset = 0; offset < bytes.length; ) {
    try {
      offset += writeSync(fd, bytes, offset);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EPIPE') return;
      // A pipe that its other end made non-blocking: it is full, and somebody reads it.
      if (code !== 'EAGAIN') throw error;
      Bun.sleepSync(1);
    }
  }
}
