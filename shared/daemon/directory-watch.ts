/**
 * Says that something may have changed in a directory: by inotify, and by the clock where that says nothing. What changed
 * the caller finds by looking, so that merged events cost nothing and lost ones seconds.
 */

import { type FSWatcher, statSync, watch } from 'node:fs';
import type { Clock, Timer } from './clock.ts';

/** fs.watch of Bun 1.4.5 drops events within 2 ms of the last one that it delivered: a look (ms) that comes after that. */
const SECOND_LOOK = 4;
/** A look without an event, this often (ms); where there is no watch (the directory is missing, inotify exhausted), sooner. */
const SAFETY = 10_000;
const UNWATCHED = 1000;

export interface DirectoryWatchOptions {
  readonly clock: Clock;
  readonly directory: string;
  readonly onChange: () => void;
  /** Once, when events cannot be had though the directory is there. */
  readonly onLost?: (error: unknown) => void;
}

export class DirectoryWatch implements Disposable {
  readonly #options: DirectoryWatchOptions;
  #watcher: FSWatcher | undefined;
  /** Device and inode: a directory that was made again is another one. */
  #watched = '';
  #second: Timer | undefined;
  #safety: Timer | undefined;
  #lost = false;

  constructor(options: DirectoryWatchOptions) {
    this.#options = options;
    this.#rewatch();
    this.#arm();
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#second?.cancel();
    this.#safety?.cancel();
  }

  #event(): void {
    this.#second?.cancel();
    this.#second = this.#options.clock.after(SECOND_LOOK, () => this.#options.onChange());
    this.#options.onChange();
  }

  #arm(): void {
    this.#safety = this.#options.clock.after(this.#watcher ? SAFETY : UNWATCHED, () => {
      if (!this.#watcher || identityOf(this.#options.directory) !== this.#watched) this.#rewatch();
      this.#arm();
      this.#options.onChange();
    });
  }

  #rewatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    const { directory, onLost } = this.#options;
    try {
      this.#watched = identityOf(directory);
      if (this.#watched === '') return;
      const watcher = watch(directory, () => this.#event());
      watcher.on('error', () => {
        watcher.close();
        if (this.#watcher === watcher) this.#watcher = undefined;
      });
      this.#watcher = watcher;
    } catch (error) {
      // ENOSPC and EMFILE: fs.inotify.max_user_watches or max_user_instances is used up.
      if (!this.#lost) onLost?.(error);
      this.#lost = true;
    }
  }
}

/** Empty for one that is not there. */
function identityOf(directory: string): string {
  const stat = statSync(directory, { throwIfNoEntry: false });
  return stat === undefined ? '' : `${stat.dev}:${stat.ino}`;
}
