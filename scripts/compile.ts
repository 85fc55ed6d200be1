/** Compiles main.ts into one executable. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Architecture, bunRuntime, compileTarget } from './bun-runtime.ts';
import { generateMessages } from './messages.ts';

/**
 * Without these two the executable obeys the .env and the bunfig.toml of the directory it is started in, and runs the
 * preload that the latter names.
 */
export const NO_AUTOLOAD: readonly string[] = [
  '--no-compile-autoload-dotenv',
  '--no-compile-autoload-bunfig',
];

/**
 * What makes the executable start fast (figures: docs/decisions.md). Splitting, which needs esm, makes `await import()`
 * lazy inside the executable; bytecode saves parsing. The JIT waits a thousand times longer than usual: in a CNI call
 * that lives a few milliseconds it costs one of them and pays nothing back. main.ts sets it to normal for the others.
 */
export const FAST_START: readonly string[] = [
  '--compile',
  '--bytecode',
  '--format=esm',
  '--splitting',
  '--minify',
  '--compile-jit-policy=1000',
];

/** `#cni/bridge` and its like lead to bundles instead of sources: a condition of `imports` in package.json. */
const BUNDLED_CNI = '--conditions=bundled';

/** What `#cni/` leads to: one file a process. */
const CNI_PROCESSES = 'cni/plugins/processes';

/**
 * A library that asks where its sources lie (grpc-js, for files that are only read by a service that nobody here starts)
 * would get the builder's path, and the executable other bytes in every checkout.
 */
const NO_DIRECTORY = '--define=__dirname="/"';

/** Where an executable goes. The base name is part of the bytes: another name gives another file. */
export function outputPath(arch: Architecture): string {
  return `dist/underpod-linux-${arch}`;
}

export interface CompileOptions {
  readonly output?: string;
  readonly entry?: string;
  readonly flags?: readonly string[];
}

/**
 * Compiles for an architecture; the output appears at once, complete. Run from the top of the repository.
 *
 * @throws Error with the compiler's exit code; its messages have gone to stderr
 */
export function compile(arch: Architecture, options: CompileOptions = {}): void {
  const { output = outputPath(arch), entry = 'main.ts', flags = [...FAST_START, ...NO_AUTOLOAD] } = options;
  generateMessages();
  bundleCni();
  const scratch = `build/compile/${arch}-${process.pid}`;
  const part = `${scratch}/${basename(output)}`;
  mkdirSync(scratch, { recursive: true });
  mkdirSync(dirname(output), { recursive: true });
  try {
    bunBuild([
      ...flags,
      BUNDLED_CNI,
      NO_DIRECTORY,
      `--target=${compileTarget(arch)}`,
      `--compile-executable-path=${bunRuntime(arch)}`,
      `--outfile=${part}`,
      entry,
    ]);
    renameSync(part, output);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * Bundles what CNI calls run, each type for itself. Otherwise the bundler cuts the code at what other types, operations
 * and daemons share, and a call loads ten chunks with much that it does not need, at 10 µs a kilobyte.
 *
 * Several builds may do this at once, with the same result: chunks are named by their content, and the file that names
 * them appears last.
 */
function bundleCni(): void {
  const directory = 'build/cni';
  mkdirSync(directory, { recursive: true });
  for (const file of readdirSync(CNI_PROCESSES)) {
    const entry = file.replace('.ts', '.js');
    const scratch = `build/cni-${process.pid}`;
    try {
      const source = `${CNI_PROCESSES}/${file}`;
      bunBuild(['--target=bun', '--format=esm', '--splitting', `--outdir=${scratch}`, source]);
      const chunks = readdirSync(scratch).filter((name) => name !== entry);
      for (const name of [...chunks, entry]) renameSync(`${scratch}/${name}`, `${directory}/${name}`);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }
}

/** @throws Error with the compiler's exit code; its messages have gone to stderr */
function bunBuild(args: readonly string[]): void {
  const bun = Bun.spawnSync([process.execPath, 'build', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: compilerEnvironment(),
  });
  if (bun.exitCode === 0) return;
  throw new Error(`bun build ${args.at(-1)}: exit code ${bun.exitCode}\n${bun.stdout.toString()}`);
}

/**
 * Compiles unless the output was built from exactly these sources, and returns its path.
 *
 * @throws Error as `compile` does
 */
export function ensureBuilt(arch: Architecture, report: (line: string) => void = () => {}): string {
  const output = outputPath(arch);
  const stamp = `build/stamps/${arch}`;
  const inputs = hashInputs();
  if (existsSync(output) && existsSync(stamp) && readFileSync(stamp, 'utf8') === identity(inputs, output)) {
    return output;
  }
  const started = performance.now();
  compile(arch);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, identity(inputs, output));
  const megabytes = (statSync(output).size / 1e6).toFixed(0);
  report(`${output}: ${megabytes} MB in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return output;
}

/** What an executable was built from, and that it is still that file. */
function identity(inputs: string, output: string): string {
  const { size, mtimeMs, ino } = statSync(output);
  return `${inputs} ${size} ${mtimeMs} ${ino}\n`;
}

/** One hash over every file that can reach the executable: sources, locked versions, the way it is built. */
function hashInputs(): string {
  const hash = new Bun.CryptoHasher('sha256');
  const others = ['package.json', 'package-lock.json', 'tsconfig.json'];
  for (const path of new Set([...sourcesOf('main.ts', 'scripts/build.ts'), ...others])) {
    hash.update(`${path}\0`).update(readFileSync(path)).update('\0');
  }
  return hash.digest('hex');
}

/**
 * The files of ours that these reach by imports, `await import()` included, sorted: a test or a fake beside them is none,
 * so that editing it builds nothing anew. What is imported as a type only is none either: it leaves no bytes.
 */
export function sourcesOf(...entries: string[]): string[] {
  const transpiler = new Bun.Transpiler({ loader: 'ts' });
  const found = new Set(entries);
  for (const path of found) {
    if (!path.endsWith('.ts')) continue;
    for (const { path: specifier } of transpiler.scanImports(readFileSync(path, 'utf8'))) {
      if (specifier.startsWith('#cni/')) found.add(`${CNI_PROCESSES}/${specifier.slice(5)}.ts`);
      if (specifier.startsWith('#messages/')) found.add(`shared/grpc/proto/${specifier.slice(10)}.proto`);
      if (specifier.startsWith('.')) found.add(join(dirname(path), specifier));
    }
  }
  return [...found].sort();
}

/** Nothing of the builder's environment may reach the bytes. */
function compilerEnvironment(): Record<string, string> {
  const { PATH = '', HOME = '', TMPDIR = '/tmp' } = process.env;
  return { PATH, HOME, TMPDIR };
}
