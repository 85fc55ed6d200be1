/** The container runtimes of the tests: unpacked or built below build/, never installed, never started as services. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { debianPackage } from '../build/debian-package.ts';

const SOURCES = resolve(import.meta.dirname, 'tools');
const BUILT = resolve(import.meta.dirname, '../../build/containerd-tools');

const PROGRAMS = [
  'github.com/containerd/containerd/v2/cmd/containerd',
  'github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2',
  'github.com/containerd/containerd/v2/cmd/ctr',
  'sigs.k8s.io/cri-tools/cmd/crictl',
];

/** A build takes 3 minutes on two cores that others use as well; the rest is for what Go has to download. */
const BUILD_LIMIT_MS = 15 * 60_000;

/** A version of containerd with what it starts. */
export interface Runtime {
  readonly name: string;
  readonly version: string;
  /** Directories for PATH, those with containerd's own programs first. */
  readonly path: readonly string[];
  /** Libraries of runc's, for LD_LIBRARY_PATH. */
  readonly libraries: string;
}

/**
 * Debian 12's containerd and the one of tools/go.mod. crictl has to be built for both; the current containerd is, in the
 * same step, only where UNDERPOD_BUILD_RUNTIMES says so, since that takes minutes.
 *
 * @returns none, with the reason printed, where they cannot be had
 */
export function runtimesToTest(): Runtime[] {
  const problem = unavailable() ?? buildTools();
  if (problem !== undefined) {
    process.stderr.write(`skipped: containerd: ${problem}\n`);
    return [];
  }
  const version = /containerd\/v2 v(\S+)/.exec(readFileSync(join(SOURCES, 'go.mod'), 'utf8'))?.[1] ?? '?';
  return [runtime('1.6', `${debian('containerd')}/usr/bin`), runtime(version, BUILT)];
}

function runtime(version: string, directory: string): Runtime {
  return { name: `containerd ${version}`, version, path: [directory, runc()], libraries: libraries() };
}

function unavailable(): string | undefined {
  for (const program of ['apt-get', 'busybox', 'tar', 'unshare'])
    if (Bun.which(program) === null) return `${program} is missing`;
  return process.arch === 'x64' ? undefined : 'only amd64 packages are fetched';
}

/** The CRI's command line, the kubelet's side of every call. */
export const crictlPath: string = join(BUILT, 'crictl');

/**
 * Builds what tools/go.mod names, if it is not there: 3 minutes, or half a minute from Go's cache.
 *
 * @returns the reason where that cannot be
 */
export function buildTools(): string | undefined {
  if (isBuilt()) return undefined;
  if (spawnSync('go', ['version']).status !== 0) return 'no Go here';
  mkdirSync(BUILT, { recursive: true });
  const built = spawnSync('go', ['build', '-trimpath', '-ldflags', '-s -w', '-o', `${BUILT}/`, ...PROGRAMS], {
    cwd: SOURCES,
    // As at containerd's own releases: no shared library is needed then, whatever the node has.
    env: { ...process.env, CGO_ENABLED: '0' },
    encoding: 'utf8',
    timeout: BUILD_LIMIT_MS,
  });
  if (built.status !== 0)
    return `containerd could not be built: ${built.error?.message ?? built.stderr.trim()}`;
  writeFileSync(join(BUILT, 'sources'), sourcesHash());
  return undefined;
}

function isBuilt(): boolean {
  const mark = join(BUILT, 'sources');
  return existsSync(mark) && readFileSync(mark, 'utf8') === sourcesHash();
}

function sourcesHash(): string {
  const hash = createHash('sha256');
  for (const name of ['go.mod', 'go.sum']) hash.update(readFileSync(join(SOURCES, name)));
  return hash.digest('hex');
}

const debian = (name: string): string => debianPackage(name, { arch: 'amd64', release: 'bookworm' });
const runc = (): string => `${debian('runc')}/usr/sbin`;
const libraries = (): string => `${debian('libseccomp2')}/usr/lib/x86_64-linux-gnu`;
