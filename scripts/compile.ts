/** Compiles main.ts into one executable. */
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { type Architecture, bunRuntime, compileTarget } from './bun-runtime.ts';

/**
 * What every build of ours is made with (measured: docs/decisions.md).
 *
 * Splitting, which needs esm, makes `await import()` lazy in the executable; bytecode saves parsing. Without the last
 * two the executable obeys the .env and bunfig.toml of the directory it is started in: a preload named there is run.
 */
export const FLAGS: readonly string[] = [
  '--compile',
  '--bytecode',
  '--format=esm',
  '--splitting',
  '--minify',
  '--no-compile-autoload-dotenv',
  '--no-compile-autoload-bunfig',
];

/** Where an executable goes. The base name is part of the bytes: another name gives another file. */
export function outputPath(arch: Architecture): string {
  return `dist/underpod-linux-${arch}`;
}

/**
 * Compiles `entry` for an architecture. The output appears at once, complete.
 *
 * @throws Error with the compiler's exit code; its messages have gone to stderr
 */
export function compile(
  arch: Architecture,
  output: string = outputPath(arch),
  flags: readonly string[] = FLAGS,
  entry = 'main.ts',
): void {
  const scratch = `build/compile/${arch}-${process.pid}`;
  const part = `${scratch}/${basename(output)}`;
  mkdirSync(scratch, { recursive: true });
  mkdirSync(dirname(output), { recursive: true });
  try {
    const bun = Bun.spawnSync(
      [
        process.execPath,
        'build',
        ...flags,
        `--target=${compileTarget(arch)}`,
        `--compile-executable-path=${bunRuntime(arch)}`,
        `--outfile=${part}`,
        entry,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'], env: compilerEnvironment() },
    );
    if (bun.exitCode !== 0) {
      throw new Error(`bun build for ${arch}: exit code ${bun.exitCode}\n${bun.stdout.toString()}`);
    }
    renameSync(part, output);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Nothing of the builder's environment may reach the bytes. */
function compilerEnvironment(): Record<string, string> {
  const { PATH = '', HOME = '', TMPDIR = '/tmp' } = process.env;
  return { PATH, HOME, TMPDIR };
}
