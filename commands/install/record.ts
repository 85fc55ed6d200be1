import { UsageError } from '../../shared/config/usage-error.ts';
import type { Layout } from './layout.ts';

/** A file that stood in our place or would have won over ours. It is at `saved` until `uninstall` puts it back. */
export interface SetAside {
  readonly path: string;
  readonly saved: string;
}

/**
 * What install.json holds. It is written before the first change and names everything that the run may do, so that
 * after a crash at any point both `install` and `uninstall` know what is whose.
 */
export interface InstallRecord {
  readonly version: 1;
  readonly state: 'installing' | 'installed';
  readonly layout: Layout;
  readonly types: readonly string[];
  /** Digests of the executables that are ours; two while one replaces the other. */
  readonly binaries: readonly string[];
  /** Digests of the conflists that we wrote; none where somebody else's of that name was left as it is. */
  readonly conflists: readonly string[];
  /** Oldest first. */
  readonly setAside: readonly SetAside[];
  /** Directories that were not there before, parents first. */
  readonly directories: readonly string[];
}

export function formatRecord(record: InstallRecord): string {
  return `${JSON.stringify(record, null, 2)}\n`;
}

/** @throws UsageError on a record that this version cannot read; nothing may be changed then */
export function parseRecord(text: string, path: string): InstallRecord {
  let record: Partial<InstallRecord>;
  try {
    record = JSON.parse(text);
  } catch (cause) {
    throw new UsageError(
      `${path} is damaged; it names the files that were set aside: mend or remove it by hand`,
      {
        cause,
      },
    );
  }
  const lists = [record.types, record.binaries, record.conflists, record.setAside, record.directories];
  if (record.version !== 1 || record.layout === undefined || !lists.every(Array.isArray)) {
    throw new UsageError(
      `${path} was written by another version of underpod: uninstall with that version first`,
    );
  }
  return record as InstallRecord;
}
