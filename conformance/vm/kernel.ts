/** Debian's own kernels, unpacked below build/ and never installed, with the few modules that the VM starts with. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import {
  type DebianSource,
  debianDirectory,
  debianPackage,
  dependencyOf,
} from '../../scripts/debian-package.ts';

/** Debian's releases with the kernels that are tried: 12, and 11 with the oldest that is supported. */
const RELEASES = { '6.1': 'bookworm', '5.10': 'bullseye' } as const;

export type KernelVersion = keyof typeof RELEASES;

export const KERNEL_VERSIONS: readonly KernelVersion[] = Object.keys(RELEASES) as KernelVersion[];

export interface Kernel {
  /** E.g. `6.1.0-56-amd64`. */
  readonly release: string;
  readonly image: string;
  /** The `lib/modules/<release>` directory, with modules.dep. */
  readonly modules: string;
}

/** Two thirds of the modules drive hardware that QEMU has not: 250 MB of disk. */
const USELESS = [
  'sound',
  ...[
    'gpu',
    'hid',
    'hwmon',
    'iio',
    'infiniband',
    'media',
    'scsi',
    'staging',
    'usb',
    'net/ethernet',
    'net/wireless',
  ].map((name) => `drivers/${name}`),
];

/** Fetches the kernel that the release's meta-package names today. @throws Error without apt, a mirror or depmod */
export function debianKernel(version: KernelVersion): Kernel {
  const source = { arch: 'amd64', release: RELEASES[version] } as const;
  const name = kernelPackage(source);
  const root = debianPackage(name, source);
  const release = readdirSync(`${root}/lib/modules`)[0];
  if (release === undefined) throw new Error(`${name} has no modules`);
  const modules = `${root}/lib/modules/${release}`;
  if (!existsSync(`${modules}/modules.dep`)) {
    for (const directory of USELESS)
      rmSync(`${modules}/kernel/${directory}`, { recursive: true, force: true });
    const depmod = Bun.spawnSync(['/sbin/depmod', '-b', root, release], { stderr: 'pipe' });
    if (depmod.exitCode !== 0) throw new Error(`depmod: ${depmod.stderr}`);
  }
  return { release, image: `${root}/boot/vmlinuz-${release}`, modules };
}

/** Asked once a checkout, since asking takes 2 s; `make clean` asks anew. */
function kernelPackage(source: DebianSource): string {
  const known = `${debianDirectory(source)}/kernel-package`;
  if (existsSync(known)) return readFileSync(known, 'utf8').trim();
  const name = dependencyOf('linux-image-amd64', source, /^linux-image-\d/);
  mkdirSync(dirname(known), { recursive: true });
  writeFileSync(known, `${name}\n`);
  return name;
}

/** Paths of the modules, each after those it needs, relative to `kernel.modules`. */
export function withDependencies(kernel: Kernel, names: readonly string[]): string[] {
  const needs = new Map(
    readFileSync(`${kernel.modules}/modules.dep`, 'utf8')
      .trim()
      .split('\n')
      .map((line): [string, string[]] => {
        const [module = '', rest = ''] = line.split(':');
        return [module, rest.split(' ').filter((path) => path !== '')];
      }),
  );
  const order = new Set<string>();
  const visit = (path: string): void => {
    for (const needed of needs.get(path) ?? []) visit(needed);
    order.add(path);
  };
  for (const name of names) {
    const path = [...needs.keys()].find((candidate) => candidate.endsWith(`/${name}.ko`));
    if (path !== undefined) visit(path);
    else if (!isBuiltIn(kernel, name)) throw new Error(`kernel ${kernel.release} has no module ${name}`);
  }
  return [...order];
}

function isBuiltIn(kernel: Kernel, name: string): boolean {
  return readFileSync(`${kernel.modules}/modules.builtin`, 'utf8').includes(`/${name}.ko\n`);
}
