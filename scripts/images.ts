/** `make images`: an OCI archive for each architecture, and what is in it. Needs apt, but no container engine and no root. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import packageJson from '../package.json' with { type: 'json' };
import { ARCHITECTURES, type Architecture, sha256 } from './bun-runtime.ts';
import { ensureBuilt } from './compile.ts';
import { baseLayer } from './image/base-layer.ts';
import { EXECUTABLE, LINKS } from './image/contents.ts';
import { imageArchive } from './image/oci.ts';
import type { TarEntry } from './image/tar.ts';

const { version, description, license } = packageJson;

/** The image's name wherever it is loaded. */
export const REFERENCE: string = `underpod:${version}`;

/** Where the archive goes. */
export function imagePath(arch: Architecture): string {
  return `dist/underpod-${version}-linux-${arch}.image.tar`;
}

/**
 * Builds the image of an architecture, the executable with it where that is missing, and returns its path. Run from the
 * top of the repository.
 *
 * @throws Error from the compiler or apt
 */
export function buildImage(arch: Architecture, report: (line: string) => void = () => {}): string {
  const executable = readFileSync(ensureBuilt(arch, report));
  const started = performance.now();
  const base = baseLayer(arch);
  const packages = base.packages.map(({ name, version: of }) => `${name}=${of}`);
  const archive = imageArchive({
    architecture: arch,
    reference: REFERENCE,
    layers: [
      { createdBy: 'packages of Debian', entries: base.entries },
      { createdBy: 'underpod', entries: executableLayer(executable) },
    ],
    entrypoint: [`/${EXECUTABLE}`],
    env: ['PATH=/opt/bin:/usr/sbin:/usr/bin'],
    labels: {
      'org.opencontainers.image.title': 'underpod',
      'org.opencontainers.image.description': description,
      'org.opencontainers.image.version': version,
      'org.opencontainers.image.licenses': license,
      'underpod.packages': packages.join(' '),
    },
  });
  const path = imagePath(arch);
  mkdirSync('dist', { recursive: true });
  writeFileSync(`${path}.part`, archive);
  renameSync(`${path}.part`, path);
  writeFileSync(
    path.replace('.tar', '.packages'),
    base.packages.map(({ name, version: of, sha256: sum }) => `${name} ${of} ${sum}\n`).join(''),
  );
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  report(`${path}: ${(archive.length / 1e6).toFixed(0)} MB in ${seconds} s, ${packages.length} packages`);
  return path;
}

function executableLayer(content: Uint8Array): TarEntry[] {
  return [
    { path: EXECUTABLE, type: 'file', mode: 0o755, content },
    ...Object.entries(LINKS).map(([path, target]): TarEntry => ({ path, type: 'link', target })),
  ];
}

function main(): void {
  const sums = ARCHITECTURES.map((arch) => {
    const path = buildImage(arch, console.log);
    return `${sha256(path)}  ${path.replace('dist/', '')}\n`;
  }).join('');
  writeFileSync('dist/IMAGES.SHA256SUMS', sums);
  process.stdout.write(sums);
}

if (import.meta.main) {
  try {
    main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
