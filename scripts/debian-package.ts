/**
 * Files of Debian packages without installing them, for any architecture and release: apt with lists and caches of its
 * own below build/debian/, so that neither the machine's package lists nor its architectures are touched. Needs no root.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** Debian's names of architectures. */
export type DebianArchitecture = 'amd64' | 'arm64';

/** Where a package comes from: the machine's own release, or another one from the machine's own mirror. */
export interface DebianSource {
  readonly arch: DebianArchitecture;
  /** E.g. `bullseye`. */
  readonly release?: 'bullseye' | 'bookworm';
}

const BASE = 'build/debian';

/**
 * The directory in which the package is unpacked, e.g. build/debian/arm64/libc6. Fetched once; `make clean` forgets it.
 *
 * @throws Error with apt's message, where there is no apt or it reaches no mirror
 */
export function debianPackage(name: string, source: DebianSource): string {
  const unpacked = resolve(debianDirectory(source), name);
  if (existsSync(unpacked)) return unpacked;
  const part = resolve(debianDirectory(source), `.${name}-${process.pid}`);
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part, { recursive: true });
  try {
    download(name, source, part);
    const file = readdirSync(part).find((entry) => entry.endsWith('.deb'));
    if (file === undefined) throw new Error(`apt-get download ${name}: no file came`);
    run(['dpkg-deb', '--extract', `${part}/${file}`, `${part}/root`]);
    // Another process may have been as quick.
    if (!existsSync(unpacked)) renameSync(`${part}/root`, unpacked);
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
  return unpacked;
}

/** A package that apt fetched, unpacked. */
export interface DebianArchive {
  readonly name: string;
  readonly version: string;
  /** Of the .deb. */
  readonly sha256: string;
  /** Its control file. */
  readonly control: string;
  /** Where it is unpacked. */
  readonly directory: string;
}

/**
 * Packages with all that they depend on, at the versions that apt chooses today, sorted by name. What is fetched is kept
 * by name and version, so that only new versions are fetched again.
 *
 * @throws Error with apt's message, where there is no apt or it reaches no mirror
 */
export function unpackedClosure(names: readonly string[], source: DebianSource): DebianArchive[] {
  refreshLists(source);
  try {
    return fetchClosure(names, source);
  } catch {
    // The lists may name a version that the mirror has replaced since.
    refreshLists(source, true);
    return fetchClosure(names, source);
  }
}

function fetchClosure(names: readonly string[], source: DebianSource): DebianArchive[] {
  const command = ['apt-get', ...options(source), '--quiet', '--no-install-recommends', '--assume-yes'];
  const plan = run([...command, '--simulate', 'install', ...names]);
  run([...command, '--download-only', 'install', ...names]);
  const archives = `${aptDirectory(source)}/cache/archives`;
  const found = [...plan.matchAll(/^Inst (\S+) \((\S+) .*\[(\w+)\]\)/gm)];
  return found
    .map(([, name = '', version = '', arch = '']) => {
      const file = `${archives}/${name}_${version.replaceAll(':', '%3a')}_${arch}.deb`;
      const directory = unpack(file, resolve(debianDirectory(source), `${name}_${version}`));
      return {
        name,
        version,
        directory,
        sha256: new Bun.CryptoHasher('sha256').update(readFileSync(file)).digest('hex'),
        control: run(['dpkg-deb', '--field', file]),
      };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Unpacks a .deb unless that was done. @returns the directory */
function unpack(file: string, directory: string): string {
  if (existsSync(directory)) return directory;
  const part = `${directory}-${process.pid}`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(dirname(directory), { recursive: true });
  run(['dpkg-deb', '--extract', file, part]);
  // Another process may have been as quick.
  if (existsSync(directory)) rmSync(part, { recursive: true });
  else renameSync(part, directory);
  return directory;
}

/** Where packages of a source are unpacked, relative to the checkout. */
export function debianDirectory({ arch, release }: DebianSource): string {
  return `${BASE}/${release === undefined ? '' : `${release}-`}${arch}`;
}

/** The first package that `name` depends on whose name matches: what a meta-package stands for today. */
export function dependencyOf(name: string, source: DebianSource, matching: RegExp): string {
  refreshLists(source);
  const lines = run(['apt-cache', ...options(source), 'depends', '--important', name]).split('\n');
  const found = lines
    .map((line) => /^\s*Depends: (\S+)$/.exec(line)?.[1])
    .find((to) => to && matching.test(to));
  if (found === undefined) throw new Error(`${name} depends on nothing like ${matching}`);
  return found;
}

function download(name: string, source: DebianSource, directory: string): void {
  refreshLists(source);
  const command = ['apt-get', ...options(source), '--quiet', 'download', name];
  try {
    run(command, directory);
  } catch {
    // The lists may name a version that the mirror has replaced since.
    refreshLists(source, true);
    run(command, directory);
  }
}

/** Apt's own files for a source. */
function aptDirectory(source: DebianSource): string {
  return resolve(BASE, 'apt', debianDirectory(source).slice(BASE.length + 1));
}

function refreshLists(source: DebianSource, force = false): void {
  const base = aptDirectory(source);
  const lists = `${base}/lists`;
  const complete = existsSync(lists) && readdirSync(lists).some((name) => name.includes('_Packages'));
  if (complete && !force) return;
  // Test files run beside each other, and lists that are half there lack packages: they appear when they are whole.
  const part = `${lists}-${process.pid}`;
  mkdirSync(`${part}/partial`, { recursive: true });
  mkdirSync(`${base}/cache/archives/partial`, { recursive: true });
  if (source.release !== undefined) writeFileSync(`${base}/sources.list`, sourcesOf(source.release));
  try {
    run(['apt-get', ...options(source), '-o', `Dir::State::Lists=${resolve(part)}`, '--quiet', 'update']);
    if (force) rmSync(lists, { recursive: true, force: true });
    if (!existsSync(lists)) renameSync(part, lists);
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * Another release's lines for sources.list: those of Debian's archive and of its security archive that the machine has,
 * with the release's name in place of its own. The mirror thus is the machine's, and named nowhere else.
 */
function sourcesOf(release: string): string {
  // Of what is configured, whether or not lists of it have ever been fetched.
  const uris = run(['apt-get', 'update', '--print-uris']);
  const signed = existsSync(KEYRING) ? ` [signed-by=${KEYRING}]` : '';
  const lines = new Set<string>();
  for (const line of uris.split('\n')) {
    const [, uri, part = ''] =
      /^'(\S+\/debian(?:-security)?\/?)dists\/[a-z]+(-updates|-security)?\/InRelease'/.exec(line) ?? [];
    if (uri !== undefined) lines.add(`deb${signed} ${uri} ${release}${part} main\n`);
  }
  if (lines.size === 0) throw new Error("apt's sources name no archive of Debian");
  return [...lines].join('');
}

/** The machine's configuration, but everything that apt writes apart, and the sources of another release if wanted. */
function options(source: DebianSource): string[] {
  const base = aptDirectory(source);
  const values: Record<string, string> = {
    'APT::Architecture': source.arch,
    'APT::Architectures': source.arch,
    // Without these two apt would drop to a user who may not enter the checkout.
    'APT::Sandbox::User': 'root',
    'Debug::NoLocking': '1',
    'Dir::State::Lists': `${base}/lists`,
    'Dir::State::status': '/dev/null',
    'Dir::Cache': `${base}/cache`,
    'Acquire::Languages': 'none',
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled': 'false',
    ...(source.release === undefined
      ? {}
      : { 'Dir::Etc::sourcelist': `${base}/sources.list`, 'Dir::Etc::sourceparts': '/dev/null' }),
  };
  return Object.entries(values).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
}

function run(command: readonly string[], cwd = '.'): string {
  if (Bun.which(command[0] ?? '') === null) throw new Error(`${command[0]} is missing: this is not a Debian`);
  const done = Bun.spawnSync([...command], { cwd, stdout: 'pipe', stderr: 'pipe' });
  if (done.exitCode !== 0)
    throw new Error(`${command[0]} … ${command.at(-1)}: ${done.stderr.toString().trim()}`);
  return done.stdout.toString();
}
