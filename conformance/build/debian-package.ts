/**
 * Files of Debian packages without installing them, for any architecture: apt with lists and caches of its own below
 * build/debian/, so that neither the machine's package lists nor its architectures are touched. Needs no root.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';

/** Debian's names of architectures. */
export type DebianArchitecture = 'amd64' | 'arm64';

const BASE = 'build/debian';

/**
 * The directory in which the package is unpacked, e.g. build/debian/arm64/libc6. Fetched once; `make clean` forgets it.
 *
 * @throws Error with apt's message, where there is no apt or it reaches no mirror
 */
export function debianPackage(name: string, arch: DebianArchitecture): string {
  const unpacked = resolve(BASE, arch, name);
  if (existsSync(unpacked)) return unpacked;
  const part = resolve(BASE, arch, `.${name}-${process.pid}`);
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part, { recursive: true });
  try {
    download(name, arch, part);
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

/** The first package that `name` depends on whose name matches: what a meta-package stands for today. */
export function dependencyOf(name: string, arch: DebianArchitecture, matching: RegExp): string {
  refreshLists(arch);
  const lines = run(['apt-cache', ...options(arch), 'depends', '--important', name]).split('\n');
  const found = lines
    .map((line) => /^\s*Depends: (\S+)$/.exec(line)?.[1])
    .find((to) => to && matching.test(to));
  if (found === undefined) throw new Error(`${name} depends on nothing like ${matching}`);
  return found;
}

function download(name: string, arch: DebianArchitecture, directory: string): void {
  refreshLists(arch);
  const command = ['apt-get', ...options(arch), '--quiet', 'download', name];
  try {
    run(command, directory);
  } catch {
    // The lists may name a version that the mirror has replaced since.
    refreshLists(arch, true);
    run(command, directory);
  }
}

function refreshLists(arch: DebianArchitecture, force = false): void {
  const lists = resolve(BASE, 'apt', arch, 'lists');
  const complete = existsSync(lists) && readdirSync(lists).some((name) => name.includes('_Packages'));
  if (complete && !force) return;
  mkdirSync(`${lists}/partial`, { recursive: true });
  mkdirSync(resolve(BASE, 'apt', arch, 'cache/archives/partial'), { recursive: true });
  run(['apt-get', ...options(arch), '--quiet', 'update']);
}

/** The machine's sources, everything else apart. */
function options(arch: DebianArchitecture): string[] {
  const base = resolve(BASE, 'apt', arch);
  const values = {
    'APT::Architecture': arch,
    'APT::Architectures': arch,
    // Without these two apt would drop to a user who may not enter the checkout.
    'APT::Sandbox::User': 'root',
    'Debug::NoLocking': '1',
    'Dir::State::Lists': `${base}/lists`,
    'Dir::State::status': '/dev/null',
    'Dir::Cache': `${base}/cache`,
    'Acquire::Languages': 'none',
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled': 'false',
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
