/**
 * Where each volume is staged and published, and how: what a second call is compared with, and what tells whether a volume may be
 * deleted. The mounts themselves are the kernel's to know; these records are in the driver's state directory, so that a pool that
 * fails keeps nobody from unmounting.
 */

import { readdirSync } from 'node:fs';
import { mkdirp, readTextIfExists, unlinkIfExists, writeFileAtomic } from '../../../shared/sys/file.ts';
import { sweepTemporaries } from '../../../shared/sys/sweep.ts';

/** What a volume is used for at one path. */
export interface Use {
  readonly path: string;
  readonly readOnly: boolean;
  /** Of AccessMode. */
  readonly mode: string;
  /** As they were asked for. */
  readonly flags: readonly string[];
  /** The uid of the pod, where the kubelet told. */
  readonly pod?: string;
}

export interface Uses {
  readonly staged?: Use;
  readonly published: readonly Use[];
}

const NONE: Uses = { published: [] };

export class UseRecords {
  readonly #directory: string;
  readonly #uses = new Map<string, Uses>();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Reads what a run before has left.
   *
   * @param isThere whether a volume is at a path now: after a reboot none is
   */
  static open(directory: string, isThere: (id: string, path: string) => boolean): UseRecords {
    mkdirp(directory, 0o700);
    // Of a driver that was killed: there is one at a time.
    sweepTemporaries(directory, 0);
    const records = new UseRecords(directory);
    for (const name of readdirSync(directory)) {
      if (!name.endsWith('.json')) continue;
      const uses = parse(readTextIfExists(`${directory}/${name}`));
      const id = name.slice(0, -'.json'.length);
      const published = uses.published.filter(({ path }) => isThere(id, path));
      const staged = uses.staged && isThere(id, uses.staged.path) ? uses.staged : undefined;
      records.#keep(id, { published, ...(staged && { staged }) });
    }
    return records;
  }

  of(id: string): Uses {
    return this.#uses.get(id) ?? NONE;
  }

  /** True while it is staged or published anywhere. */
  isUsed(id: string): boolean {
    return this.#uses.has(id);
  }

  /** The paths it is at. */
  places(id: string): readonly string[] {
    const { staged, published } = this.of(id);
    return [...(staged ? [staged.path] : []), ...published.map(({ path }) => path)];
  }

  /** True where another volume is at that path: what is mounted there is not this one's to take away. */
  isOthers(id: string, path: string): boolean {
    for (const other of this.#uses.keys()) if (other !== id && this.places(other).includes(path)) return true;
    return false;
  }

  /** Every volume that is used, by id. */
  all(): ReadonlyMap<string, Uses> {
    return this.#uses;
  }

  stage(id: string, use: Use): void {
    this.#keep(id, { ...this.of(id), staged: use });
  }

  unstage(id: string): void {
    // Of what nobody knows there is no file, and an id that nobody gave is part of no path.
    if (this.#uses.has(id)) this.#keep(id, { published: this.of(id).published });
  }

  publish(id: string, use: Use): void {
    const { published, ...rest } = this.of(id);
    this.#keep(id, { ...rest, published: [...published.filter(({ path }) => path !== use.path), use] });
  }

  unpublish(id: string, path: string): void {
    if (!this.#uses.has(id)) return;
    const { published, ...rest } = this.of(id);
    this.#keep(id, { ...rest, published: published.filter((use) => use.path !== path) });
  }

  #keep(id: string, uses: Uses): void {
    const file = `${this.#directory}/${id}.json`;
    if (!uses.staged && uses.published.length === 0) {
      unlinkIfExists(file);
      this.#uses.delete(id);
      return;
    }
    // A power cut ends the mounts as well: there is nothing to be kept across one.
    writeFileAtomic(file, `${JSON.stringify(uses)}\n`, { mode: 0o600, fsync: false });
    this.#uses.set(id, uses);
  }
}

/** One that is damaged says nothing: the next call does its work anew. */
function parse(text: string | undefined): Uses {
  try {
    const { staged, published } = JSON.parse(text ?? '{}') as Partial<Uses>;
    return {
      ...(isUse(staged) && { staged }),
      published: Array.isArray(published) ? published.filter(isUse) : [],
    };
  } catch {
    return NONE;
  }
}

function isUse(value: unknown): value is Use {
  const { path, readOnly, mode, flags } = (value ?? {}) as Partial<Use>;
  return (
    typeof path === 'string' &&
    typeof readOnly === 'boolean' &&
    typeof mode === 'string' &&
    Array.isArray(flags)
  );
}
