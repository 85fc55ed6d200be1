/**
 * Network namespaces for tests that touch the kernel's network.
 *
 * A test file calls `freshNetns()` once at its top level: vitest runs each file in a process of its own (forks pool),
 * and that process's main thread, with every child it spawns, then lives in a namespace with nothing in it but `lo`.
 * The namespace ends with the process.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CLONE, MS } from '../../shared/sys/constants.ts';
import { isErrno } from '../../shared/sys/errno.ts';
import { mount, unshare } from '../../shared/sys/mount.ts';

/**
 * Why kernel tests cannot run here, or `undefined` if they can. A test cannot make itself root of a user namespace:
 * unshare(CLONE_NEWUSER) is refused (EINVAL) to a process with several threads, and Bun has five before a test begins.
 * `make test` enters one before it starts Bun, see scripts/test.ts.
 */
export function kernelTestsUnavailable(): string | undefined {
  if (process.getuid?.() === 0) return undefined;
  return "needs root, or a user namespace that was entered before Bun started: 'make test' does that where it may";
}

/**
 * Whether this process is in a user namespace. Root of one may do nearly everything with namespaces of its own, but not
 * enlarge a socket's buffers at will (SO_SNDBUFFORCE), nor write to what belongs to the machine's root.
 */
export function inUserNamespace(): boolean {
  // The machine's own maps every number to itself (user_namespaces(7)).
  return !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'latin1'));
}

/**
 * Moves this process's main thread to a fresh network namespace (`lo` up) and a private mount namespace.
 *
 * @returns false, with the reason printed, where that is not allowed: wrap tests in `describe.skipIf(!freshNetns())`
 */
export function freshNetns(): boolean {
  const reason = kernelTestsUnavailable();
  if (reason !== undefined) {
    process.stderr.write(`skipped: kernel tests: ${reason}\n`);
    return false;
  }
  try {
    unshare(CLONE.NEWNET | CLONE.NEWNS);
  } catch (error) {
    if (!isErrno(error, 'EPERM')) throw error;
    process.stderr.write('skipped: kernel tests: unshare is not permitted\n');
    return false;
  }
  mount('none', '/', 'none', MS.REC | MS.PRIVATE);
  // There, /run is somebody else's: iptables has its lock in it, ip(8) its namespaces.
  if (inUserNamespace()) coverWithTmpfs('/run');
  run('ip', 'link', 'set', 'lo', 'up');
  return true;
}

/** Mounts an empty tmpfs over a directory, in this process's private mount namespace (see `freshNetns`). */
export function coverWithTmpfs(directory: string): void {
  mount('tmpfs', directory, 'tmpfs', MS.NOSUID | MS.NODEV);
}

/** Runs a program to its end and returns what it printed. @throws Error with its stderr where it failed */
export function run(program: string, ...args: string[]): string {
  const result = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (result.error) throw result.error;
  if (result.status !== 0) {
    throw new Error(
      `${program} ${args.join(' ')}: exit ${result.status ?? result.signal}: ${result.stderr}${result.stdout}`,
    );
  }
  return result.stdout;
}

/** Runs `ip -j …` and parses its answer. */
export function ipJson<T = Record<string, unknown>[]>(...args: string[]): T {
  const text = run('ip', '-j', '-d', ...args).trim();
  return (text === '' ? [] : JSON.parse(text)) as T;
}

/** Runs `nft -j …` and parses its answer. */
export function nftJson<T = { nftables: Record<string, unknown>[] }>(...args: string[]): T {
  return JSON.parse(run('nft', '-j', ...args)) as T;
}

/** A directory that goes away at the end of the scope. */
export class TemporaryDirectory implements Disposable {
  readonly path: string = mkdtempSync(join(tmpdir(), 'underpod-test-'));

  /** A path inside. */
  join(...parts: string[]): string {
    return join(this.path, ...parts);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
