import { UsageError } from '../../shared/config/usage-error.ts';
import { type Disk, digestText } from './disk.ts';
import {
  conflistPath,
  type Layout,
  linkPath,
  parentDirectory,
  preparedName,
  winsOverOurs,
} from './layout.ts';
import type { InstallRecord } from './record.ts';
import { Aside, withdraw } from './set-aside.ts';
import type { Step } from './steps.ts';

/** What the operator wants installed. */
export interface Wanted {
  readonly layout: Layout;
  readonly types: readonly string[];
  /** The executable to copy: its path outside the root, and its digest. */
  readonly source: { readonly path: string; readonly digest: string };
  /** Text of the conflist; `undefined`: leave the configuration directory alone. */
  readonly conflist: string | undefined;
}

export interface Plan {
  /** Empty when everything is in place. */
  readonly steps: readonly Step[];
  readonly notes: readonly string[];
}

/**
 * Compares the disk with what is wanted. The first step records all that the others may do; the order of the rest
 * keeps the node working at every point: a link never leads nowhere, and ours is there before another is taken away.
 *
 * @throws UsageError where the wish cannot be fulfilled without the operator
 */
export async function planInstall(
  disk: Disk,
  wanted: Wanted,
  previous: InstallRecord | undefined,
): Promise<Plan> {
  const { layout } = wanted;
  if (previous && JSON.stringify(previous.layout) !== JSON.stringify(layout)) {
    const { binary, cniBinDir, cniConfDir } = previous.layout;
    throw new UsageError(
      `underpod is installed at ${binary}, ${cniBinDir} and ${cniConfDir}: run 'underpod uninstall' first to move it`,
    );
  }
  const aside = new Aside(disk, previous?.setAside ?? []);
  const steps: Step[] = [];
  const notes: string[] = [];
  const directories = missingDirectories(disk, [
    parentDirectory(layout.binary),
    layout.cniBinDir,
    layout.cniConfDir,
  ]);
  steps.push(...directories.map((path): Step => ({ do: 'make directory', path })));

  const binaries = new Set([...(previous?.binaries ?? []), wanted.source.digest]);
  steps.push(...(await planBinary(disk, wanted, binaries, aside)));

  for (const type of previous?.types ?? []) {
    if (wanted.types.includes(type)) continue;
    const path = linkPath(layout, type);
    const ours = disk.linkTarget(path) === layout.binary;
    const withdrawal = await withdraw(disk, path, ours, aside.entries);
    steps.push(...withdrawal.steps);
    notes.push(...withdrawal.notes);
  }
  for (const type of wanted.types) {
    const path = linkPath(layout, type);
    refuseDirectory(disk, path);
    if (disk.linkTarget(path) === layout.binary) continue;
    if (disk.exists(path)) steps.push(...(await aside.replaceLater(path)));
    steps.push({ do: 'link', path, target: layout.binary });
  }

  const conflists = new Set(previous?.conflists ?? []);
  if (wanted.conflist !== undefined) {
    const planned = await planConflist(disk, layout, wanted.conflist, conflists);
    steps.push(...planned.steps);
    notes.push(...planned.notes);
    for (const name of disk.list(layout.cniConfDir).filter(winsOverOurs)) {
      steps.push(...(await aside.moveAway(`${layout.cniConfDir}/${name}`)));
    }
  }

  const leftovers = [
    layout.binary,
    conflistPath(layout),
    ...wanted.types.map((type) => linkPath(layout, type)),
  ]
    .map(preparedName)
    .filter((path) => disk.exists(path));
  const replaced = new Set(steps.flatMap((step) => ('path' in step ? [preparedName(step.path)] : [])));
  for (const path of leftovers) if (!replaced.has(path)) steps.push({ do: 'remove', path });

  if (steps.length === 0 && previous?.state === 'installed') return { steps: [], notes };
  const during: InstallRecord = {
    version: 1,
    state: 'installing',
    layout,
    types: [...new Set([...(previous?.types ?? []), ...wanted.types])],
    binaries: [...binaries],
    conflists: [...conflists],
    setAside: aside.entries,
    directories: [...new Set([...(previous?.directories ?? []), ...directories])],
  };
  const after: InstallRecord = {
    ...during,
    state: 'installed',
    types: wanted.types,
    binaries: [wanted.source.digest],
    conflists: wanted.conflist === undefined ? during.conflists : during.conflists.slice(-1),
  };
  return { steps: [{ do: 'record', record: during }, ...steps, { do: 'record', record: after }], notes };
}

async function planBinary(
  disk: Disk,
  { layout, source }: Wanted,
  ours: ReadonlySet<string>,
  aside: Aside,
): Promise<Step[]> {
  refuseDirectory(disk, layout.binary);
  const present = await disk.digest(layout.binary);
  if (present === source.digest) return [];
  const foreign = present !== undefined && !ours.has(present);
  return [
    ...(foreign ? await aside.replaceLater(layout.binary) : []),
    { do: 'copy', from: source.path, path: layout.binary },
  ];
}

/** Writes the conflist unless somebody else's, or one that was edited since, stands there. */
async function planConflist(disk: Disk, layout: Layout, text: string, ours: Set<string>): Promise<Plan> {
  const path = conflistPath(layout);
  refuseDirectory(disk, path);
  const wanted = digestText(text);
  const present = await disk.digest(path);
  if (present !== undefined && !ours.has(present)) {
    return { steps: [], notes: [`${path} is not as underpod wrote it: left as it is`] };
  }
  // The newest last: it alone stays in the record when the run is complete.
  ours.delete(wanted);
  ours.add(wanted);
  return { steps: present === wanted ? [] : [{ do: 'write', path, text }], notes: [] };
}

function refuseDirectory(disk: Disk, path: string): void {
  if (disk.isDirectory(path)) throw new UsageError(`${path} is a directory: move it away first`);
}

/** Directories to make, parents first; never the root itself. */
function missingDirectories(disk: Disk, wanted: readonly string[]): string[] {
  const missing = new Set<string>();
  for (const directory of wanted) {
    let path = '';
    for (const part of directory.split('/').filter((name) => name !== '')) {
      path += `/${part}`;
      if (!disk.exists(path)) missing.add(path);
    }
  }
  return [...missing];
}
