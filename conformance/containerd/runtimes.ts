/** The container runtimes of the tests: unpacked or built below build/, never installed, never started as services. */
import { join, resolve } from 'node:path';
import { debianPackage } from '../../scripts/debian-package.ts';
import { buildGo, type GoModule, requiredVersion } from '../testing/go-programs.ts';

const built: GoModule = {
  sources: resolve(import.meta.dirname, 'tools'),
  output: resolve(import.meta.dirname, '../../build/containerd-tools'),
};

/** What is built of each module of tools/go.mod. */
const CRICTL = ['sigs.k8s.io/cri-tools/cmd/crictl'];
const CONTAINERD = ['containerd', 'containerd-shim-runc-v2', 'ctr'].map(
  (name) => `github.com/containerd/containerd/v2/cmd/${name}`,
);

/**
 * For both builds. From nothing they take 3 minutes on two cores that others use as well, from Go's cache 12 s: in .ci/run
 * they get what is left there, and what was compiled by then is found in the cache by the next run. `make soak` waits.
 */
const BUILD_LIMIT_MS = process.env['UNDERPOD_BUILD_RUNTIMES'] ? 15 * 60_000 : 75_000;

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
 * Debian 12's containerd and the one of tools/go.mod, each if it can be had. The reason is printed where it cannot:
 * without crictl there is none.
 */
export async function runtimesToTest(): Promise<Runtime[]> {
  const deadline = Date.now() + BUILD_LIMIT_MS;
  const problem = unavailable() ?? (await buildGo(built, CRICTL, deadline - Date.now()));
  if (problem !== undefined) {
    process.stderr.write(`skipped: containerd: ${problem}\n`);
    return [];
  }
  const runtimes = [runtime('1.6', `${debian('containerd')}/usr/bin`)];
  const version = requiredVersion(built.sources, 'github.com/containerd/containerd/v2');
  const missing = await buildGo(built, CONTAINERD, deadline - Date.now());
  if (missing === undefined) runtimes.push(runtime(version, built.output));
  else process.stderr.write(`skipped: containerd ${version}: ${missing}\n`);
  return runtimes;
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
export const crictlPath: string = join(built.output, 'crictl');

const debian = (name: string): string => debianPackage(name, { arch: 'amd64', release: 'bookworm' });
const runc = (): string => `${debian('runc')}/usr/sbin`;
const libraries = (): string => `${debian('libseccomp2')}/usr/lib/x86_64-linux-gnu`;
