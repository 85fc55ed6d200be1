/** The layer with Debian's packages, from what apt resolves. */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type DebianArchitecture, type DebianArchive, unpackedClosure } from '../debian-package.ts';
import {
  ALTERNATIVES,
  DIRECTORIES,
  isKept,
  LEFT_OUT,
  MERGED,
  mergedPath,
  PACKAGES,
  RELEASE,
} from './contents.ts';
import type { TarEntry } from './tar.ts';

export interface BaseLayer {
  readonly entries: readonly TarEntry[];
  /** Sorted by name. */
  readonly packages: readonly DebianArchive[];
}

/** @throws Error with apt's message, where there is no apt or it reaches no mirror */
export function baseLayer(arch: DebianArchitecture): BaseLayer {
  const packages = unpackedClosure(
    PACKAGES.map(({ name }) => name),
    { arch, release: RELEASE },
  ).filter(({ name }) => !LEFT_OUT.has(name));
  const entries = new Map<string, TarEntry>();
  const add = (entry: TarEntry): void => {
    for (let at = entry.path.lastIndexOf('/'); at > 0; at = entry.path.lastIndexOf('/', at - 1)) {
      const path = entry.path.slice(0, at);
      if (!entries.has(path)) entries.set(path, { path, type: 'directory', mode: 0o755 });
    }
    entries.set(entry.path, entry);
  };
  for (const path of DIRECTORIES) add({ path, type: 'directory', mode: path === 'tmp' ? 0o1777 : 0o755 });
  for (const [path, target] of Object.entries({ ...MERGED, ...ALTERNATIVES }))
    add({ path, type: 'link', target });
  for (const archive of packages) {
    for (const entry of filesBelow(archive.directory)) {
      const path = mergedPath(entry.path);
      if (isKept(archive.name, path)) add({ ...entry, path });
    }
    // As Google's distroless images have it: scanners read package names and versions there.
    add(textFile(`var/lib/dpkg/status.d/${archive.name}`, archive.control));
  }
  add(textFile('etc/passwd', 'root:x:0:0:root:/:/nonexistent\n'));
  add(textFile('etc/group', 'root:x:0:\n'));
  return { entries: [...entries.values()], packages };
}

function textFile(path: string, text: string): TarEntry {
  return { path, type: 'file', mode: 0o644, content: new TextEncoder().encode(text) };
}

/** Files and links, without the directories themselves. */
function filesBelow(root: string, below = ''): TarEntry[] {
  return readdirSync(`${root}/${below}`).flatMap((name): TarEntry[] => {
    const path = below === '' ? name : `${below}/${name}`;
    const status = lstatSync(`${root}/${path}`);
    if (status.isDirectory()) return filesBelow(root, path);
    if (status.isSymbolicLink()) return [{ path, type: 'link', target: readlinkSync(`${root}/${path}`) }];
    // Nothing here is to run with others' rights.
    return [{ path, type: 'file', mode: status.mode & 0o755, content: readFileSync(`${root}/${path}`) }];
  });
}
