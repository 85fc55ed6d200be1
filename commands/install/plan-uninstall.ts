import type { Disk } from './disk.ts';
import { conflistPath, freeSavedName, linkPath, preparedName, RECORD_PATH } from './layout.ts';
import type { Plan } from './plan-install.ts';
import type { InstallRecord } from './record.ts';
import { withdraw } from './set-aside.ts';
import type { Step } from './steps.ts';

/**
 * The way back: what was set aside returns first, so that the node has a network configuration at every point; then
 * what is ours goes, what became somebody else's stays. The record goes last, since everything before needs it.
 */
export async function planUninstall(disk: Disk, record: InstallRecord): Promise<Plan> {
  const { layout } = record;
  const steps: Step[] = [];
  const notes: string[] = [];
  const add = (part: { readonly steps: readonly Step[]; readonly notes: readonly string[] }): void => {
    steps.push(...part.steps);
    notes.push(...part.notes);
  };

  const links = record.types.map((type) => linkPath(layout, type));
  const places = new Set([layout.binary, ...links]);
  const others = new Set(record.setAside.map(({ path }) => path).filter((path) => !places.has(path)));
  for (const path of others) add(await withdraw(disk, path, false, record.setAside));

  add(await planConflist(disk, record));
  for (const path of links) {
    add(await withdraw(disk, path, disk.linkTarget(path) === layout.binary, record.setAside));
  }
  const binary = await disk.digest(layout.binary);
  const ours = binary !== undefined && record.binaries.includes(binary);
  if (binary !== undefined && !ours && !record.setAside.some(({ path }) => path === layout.binary)) {
    notes.push(`${layout.binary} is not the executable that was installed: left as it is`);
  }
  add(await withdraw(disk, layout.binary, ours, record.setAside));

  for (const path of [...record.directories].reverse()) steps.push({ do: 'remove directory', path });
  if (disk.exists(preparedName(RECORD_PATH))) steps.push({ do: 'remove', path: preparedName(RECORD_PATH) });
  steps.push({ do: 'remove', path: RECORD_PATH });
  return { steps, notes };
}

/** Without the links nobody can run a conflist of ours, an edited one included: that one is kept under another name. */
async function planConflist(disk: Disk, record: InstallRecord): Promise<Plan> {
  const path = conflistPath(record.layout);
  const prepared = preparedName(path);
  const leftover: Step[] = disk.exists(prepared) ? [{ do: 'remove', path: prepared }] : [];
  const present = await disk.digest(path);
  if (present === undefined || record.conflists.length === 0) return { steps: leftover, notes: [] };
  if (record.conflists.includes(present)) return { steps: [...leftover, { do: 'remove', path }], notes: [] };
  const saved = freeSavedName(path, disk.exists);
  return {
    steps: [...leftover, { do: 'move', from: path, path: saved }],
    notes: [`${path} was edited: it stays at ${saved}`],
  };
}
