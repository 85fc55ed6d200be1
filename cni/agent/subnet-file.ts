/** Keeps subnet.env on disk as it should be, and notices when somebody removes or changes it. */

import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { mkdirp, readTextIfExists, writeFileAtomic } from '../../shared/sys/file.ts';

export class SubnetFile implements Disposable {
  readonly path: string;
  readonly #onTouched: (() => void) | undefined;
  #written: string | undefined;
  #watcher: FSWatcher | undefined;

  /** @param onTouched called when the file may have changed; without it nobody watches */
  constructor(path: string, onTouched?: () => void) {
    this.path = path;
    this.#onTouched = onTouched;
  }

  /** What the file was last seen or made to hold by `ensure`. */
  get written(): string | undefined {
    return this.#written;
  }

  /** What a former run, or flanneld, left. */
  read(): string | undefined {
    return readTextIfExists(this.path);
  }

  /**
   * Writes the file if its content differs; true if it did.
   *
   * @param mayWrite asked before writing
   * @throws SyscallError
   */
  ensure(content: string, mayWrite: () => boolean): boolean {
    const differs = this.read() !== content;
    if (differs && !mayWrite()) return false;
    if (differs) {
      mkdirp(dirname(this.path));
      writeFileAtomic(this.path, content, { mode: 0o644 });
    }
    // A file that was gone may have gone with its directory, and the watch with that.
    if (differs || !this.#watcher) this.#watch();
    this.#written = content;
    // It may have changed before the watch began.
    if (differs && this.read() !== content) this.#onTouched?.();
    return differs;
  }

  #watch(): void {
    if (!this.#onTouched) return;
    this.#watcher?.close();
    const directory = dirname(this.path);
    const name = basename(this.path);
    // An event without a name, or under the directory's own, is about the directory itself.
    this.#watcher = watch(directory, (_event, file) => {
      if (file === null || file === name || file === basename(directory)) this.#onTouched?.();
    });
    this.#watcher.on('error', () => this.#onTouched?.());
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
  }
}
