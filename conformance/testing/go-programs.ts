/**
 * Programs written in Go that the tests run beside ours: built below build/ by the Go client, from a go.mod of ours that
 * says which version. Nothing to do when they are there.
 */

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isVm } from './slowness.ts';

/** A directory with a go.mod, and where its programs go. Both absolute. */
export interface GoModule {
  readonly sources: string;
  readonly output: string;
  /** It has parts in C, so that a C compiler is needed, too. */
  readonly cgo?: boolean;
}

/** The reason where a build was stopped because its time was over. */
export const TOO_LATE = 'it takes longer to build than there is time: make soak builds it';

/** How long a build may take unless it says otherwise, in ms: the largest takes half of it from nothing on two cores. */
const BUILD_LIMIT_MS = 20 * 60_000;

/** Which version of a module go.mod requires, such as `1.36.3`. @throws Error if it requires none */
export function requiredVersion(sources: string, module: string): string {
  const line = readFileSync(join(sources, 'go.mod'), 'utf8')
    .split('\n')
    .find((text) =>
      text
        .replace(/^require /, '')
        .trim()
        .startsWith(`${module} v`),
    );
  if (line === undefined) throw new Error(`${sources}/go.mod does not require ${module}`);
  return (line.split(` v`)[1] ?? '').split(' ')[0] as string;
}

/** Whether the programs were built from this go.mod. */
export function areBuilt(module: GoModule, packages: readonly string[]): boolean {
  const hash = sourcesHash(module.sources);
  return packages.every((path) => isBuilt(module, path, hash));
}

/**
 * Builds programs if they are not there, each under the last part of its package's path. Without cgo where that is possible,
 * so that no shared library is needed, whatever the machine has; without symbols, which saves a third of the size; and out
 * of others' way.
 *
 * @returns the reason where that cannot be
 */
export async function buildGo(
  module: GoModule,
  packages: readonly string[],
  limitMs: number = BUILD_LIMIT_MS,
): Promise<string | undefined> {
  const hash = sourcesHash(module.sources);
  const missing = packages.filter((path) => !isBuilt(module, path, hash));
  if (missing.length === 0) return undefined;
  if (isVm) return 'it was not built before the VM was started';
  if (Bun.which('go') === null) return 'no Go here';
  if (module.cgo === true && Bun.which('cc') === null) return 'no C compiler here';
  mkdirSync(module.output, { recursive: true });
  const command = ['nice', 'go', 'build', '-trimpath', '-ldflags', '-s -w', '-o', `${module.output}/`];
  const go = Bun.spawn([...command, ...missing], {
    cwd: module.sources,
    env: { ...process.env, CGO_ENABLED: module.cgo === true ? '1' : '0' },
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
    // Whole ones: Bun refuses others.
    timeout: Math.max(1, Math.floor(limitMs)),
  });
  const said = await new Response(go.stderr).text();
  const code = await go.exited;
  // What was compiled by then is in Go's cache, and found there by the next build.
  if (go.signalCode) return TOO_LATE;
  if (code !== 0) return `it could not be built: ${said.trim()}`;
  for (const path of missing) writeFileSync(mark(module, path), hash);
  return undefined;
}

function isBuilt(module: GoModule, path: string, hash: string): boolean {
  const file = mark(module, path);
  return existsSync(file) && readFileSync(file, 'utf8') === hash;
}

/** Which sources a program was built from. */
function mark(module: GoModule, path: string): string {
  return join(module.output, `${basename(path)}.sources`);
}

function sourcesHash(sources: string): string {
  const hash = createHash('sha256');
  const names = readdirSync(sources, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.(mod|sum|go)$/.test(name),
  );
  for (const name of names.sort()) hash.update(`${name}\n`).update(readFileSync(join(sources, name)));
  return hash.digest('hex');
}
