/** Bun's own executable for each architecture, from npm, verified: the body of what `make dist` builds. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import packageJson from '../package.json' with { type: 'json' };
import { outsidePath } from './outside-path.ts';

/** Architectures by Debian's names, as in the names of the files in dist/. */
export const ARCHITECTURES = ['amd64', 'arm64'] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

interface Runtime {
  /** The npm package that holds it (glibc build: needs no libstdc++ on the node, glibc 2.17 is enough). */
  readonly npm: string;
  /** `--target` of `bun build`. */
  readonly target: string;
  /** sha256 of its bin/bun at the version of package.json. A new version: change it here, `make dist` prints it. */
  readonly sha256: string;
}

const RUNTIMES: Readonly<Record<Architecture, Runtime>> = {
  amd64: {
    npm: '@oven/bun-linux-x64',
    target: 'bun-linux-x64',
    sha256: 'f05d28a3862f4b84395c7fa32480b835dd47482e80b7e7a49a115227f0c06083',
  },
  arm64: {
    npm: '@oven/bun-linux-aarch64',
    target: 'bun-linux-arm64',
    sha256: '04778f1f42399a69d086853e9c7af4acf574b2f21a43d0dc673853d8b84a2923',
  },
};

const VERSION = packageJson.devDependencies.bun;

/** The architecture of this machine. @throws Error on one that is not built for */
export function nativeArchitecture(): Architecture {
  if (process.arch === 'x64') return 'amd64';
  if (process.arch === 'arm64') return 'arm64';
  throw new Error(`underpod is built for amd64 and arm64, not for ${process.arch}`);
}

/** The `--target` of `bun build`, with the exact version so that Bun never falls back on another one. */
export function compileTarget(arch: Architecture): string {
  return `${RUNTIMES[arch].target}-v${VERSION}`;
}

/**
 * The path of Bun's executable for an architecture. npm's own copy serves when it is this one; else the package is
 * fetched with `npm pack` into build/ and checked against the integrity in package-lock.json.
 *
 * @throws Error when a checksum differs or npm cannot fetch it
 */
export function bunRuntime(arch: Architecture): string {
  const runtime = RUNTIMES[arch];
  const installed = 'node_modules/bun/bin/bun.exe';
  if (arch === nativeArchitecture() && sha256(installed) === runtime.sha256) return installed;

  const dir = `build/runtime/${runtime.target}-${VERSION}`;
  const executable = `${dir}/bin/bun`;
  if (sha256(executable) !== runtime.sha256) fetchRuntime(runtime, dir);
  const got = sha256(executable);
  if (got !== runtime.sha256) {
    throw new Error(
      `${runtime.npm} ${VERSION}: sha256 of bin/bun is ${got}, expected ${runtime.sha256} (scripts/bun-runtime.ts)`,
    );
  }
  return executable;
}

function fetchRuntime(runtime: Runtime, dir: string): void {
  const part = `${dir}.part`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part, { recursive: true });
  const spec = `${runtime.npm}@${VERSION}`;
  console.log(`fetching ${spec} with npm (50 MB, once)`);
  const tarball = `${part}/${run(['npm', 'pack', spec, '--silent', '--pack-destination', part]).trim()}`;
  const integrity = `sha512-${new Bun.CryptoHasher('sha512').update(readFileSync(tarball)).digest('base64')}`;
  if (integrity !== lockedIntegrity(runtime.npm)) {
    throw new Error(`${spec}: what npm fetched has ${integrity}, which package-lock.json does not name`);
  }
  run(['tar', '-xzf', tarball, '-C', part, '--strip-components=1']);
  rmSync(tarball);
  rmSync(dir, { recursive: true, force: true });
  renameSync(part, dir);
}

function lockedIntegrity(npm: string): string | undefined {
  const lock: { packages: Record<string, { integrity?: string }> } = JSON.parse(
    readFileSync('package-lock.json', 'utf8'),
  );
  return lock.packages[`node_modules/${npm}`]?.integrity;
}

function run(command: string[]): string {
  const env = { ...process.env, PATH: outsidePath() };
  const done = Bun.spawnSync(command, { stdio: ['ignore', 'pipe', 'inherit'], env });
  if (done.exitCode !== 0) throw new Error(`${command.join(' ')}: exit code ${done.exitCode}`);
  return done.stdout.toString();
}

/** Hex sha256 of a file, `undefined` when there is none. */
export function sha256(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  return new Bun.CryptoHasher('sha256').update(readFileSync(path)).digest('hex');
}
