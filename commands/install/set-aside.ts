/** Who had a place before us: kept under another name, and put back. */
import type { Disk } from './disk.ts';
import { freeSavedName, preparedName } from './layout.ts';
import type { SetAside } from './record.ts';
import type { Step } from './steps.ts';

/** The growing list of what is set aside. A run plans with it and records it before it acts. */
export class Aside {
  readonly #disk: Disk;
  #entries: SetAside[];

  constructor(disk: Disk, entries: readonly SetAside[]) {
    this.#disk = disk;
    this.#entries = [...entries];
  }

  get entries(): readonly SetAside[] {
    return this.#entries;
  }

  /** Steps that save the file at `path`, which the next step replaces. None when an earlier run has saved it. */
  async replaceLater(path: string): Promise<Step[]> {
    const { saved, done } = await this.#choose(path);
    return done ? [] : [{ do: 'keep', path, saved }];
  }

  /** Steps that take the file at `path` away. */
  async moveAway(path: string): Promise<Step[]> {
    const { saved } = await this.#choose(path);
    return [{ do: 'move', from: path, path: saved }];
  }

  /**
   * Where to save `path`: a place that holds the same already (an earlier run's, or one that somebody's installer puts
   * back again and again), one that was recorded but not used, or a new one. It becomes the newest entry.
   */
  async #choose(path: string): Promise<{ saved: string; done: boolean }> {
    const known = this.#entries.filter((entry) => entry.path === path);
    const content = await this.#disk.digest(path);
    for (const { saved } of known) {
      const done = this.#disk.exists(saved) && (await this.#disk.digest(saved)) === content;
      if (done) return { saved: this.#newest(path, saved), done };
    }
    const taken = (name: string): boolean =>
      this.#disk.exists(name) || this.#entries.some((entry) => entry.saved === name);
    const unused = known.find(({ saved }) => !this.#disk.exists(saved));
    return { saved: this.#newest(path, unused?.saved ?? freeSavedName(path, taken)), done: false };
  }

  #newest(path: string, saved: string): string {
    this.#entries = [...this.#entries.filter((entry) => entry.saved !== saved), { path, saved }];
    return saved;
  }
}

/** What to do with a place of ours on the way out. */
export interface Withdrawal {
  readonly steps: readonly Step[];
  /** What the operator has to know: files that stay under another name. */
  readonly notes: readonly string[];
}

/**
 * Empties a place of ours, or puts back what was there.
 *
 * @param ours whether what stands there now is ours; somebody else's is left alone
 */
export async function withdraw(
  disk: Disk,
  path: string,
  ours: boolean,
  aside: readonly SetAside[],
): Promise<Withdrawal> {
  const steps: Step[] = [];
  if (disk.exists(preparedName(path))) steps.push({ do: 'remove', path: preparedName(path) });
  const saved = aside.filter((entry) => entry.path === path && disk.exists(entry.saved)).reverse();
  const [newest, ...older] = saved.map((entry) => entry.saved);
  const notes = older.map((name) => `an older ${path} stays at ${name}`);

  if (newest === undefined) {
    if (ours) steps.push({ do: 'remove', path });
  } else if ((await disk.digest(newest)) === (await disk.digest(path))) {
    // Saved but never replaced (a rename between two names of one file would do nothing), or put back by somebody.
    steps.push({ do: 'remove', path: newest });
  } else if (ours || !disk.exists(path)) {
    steps.push({ do: 'move', from: newest, path });
  } else {
    notes.push(`${path} was replaced by somebody since: what was there before stays at ${newest}`);
  }
  return { steps, notes };
}
