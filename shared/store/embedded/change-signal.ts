import { basename } from 'node:path';
import { isLocked } from '../../sys/lock.ts';
import type { StoreEnvironment } from './environment.ts';
import { fileIdOf, type StorePaths } from './paths.ts';

/**
 * How often a store with watchers looks for itself whether an event was missed, in ms. Looking is one read from
 * memory; the events are what makes watching fast.
 */
export const SAFETY_CHECK_MS: number = 10_000;

/**
 * How soon after an event to look a second and a third time, in ms: fs.watch of Bun 1.4.5 drops every event that follows
 * the last one it delivered within 2 ms (measured: the second of two writes is lost up to 1.5 ms apart, none from 2 ms
 * on), so one look must come later than that.
 */
const SECOND_LOOK_MS = 1;
const THIRD_LOOK_MS = 2;

/** While a writer is at its fsync the pauses between looks grow to this, in ms. */
const LAST_LOOK_MS = 50;

/** The interval of that check where inotify cannot be had: then it is all there is. */
const POLL_MS = 1000;

/**
 * Says when a store may have changed: another process wrote (inotify on the store's directory shows its commits in
 * the -wal file), this one did (`notify`), or it is time to look anyway. It says nothing of what changed: that is in the
 * sequence number. So merged events cost nothing and lost ones a few seconds.
 *
 * A commit is written, synced, and only then visible to others: its event comes too early, by an fsync. The writer
 * holds the store's lock until the commit is visible, so it is worth looking again for as long as that is held.
 *
 * The directory is watched rather than the files, which come and go as processes open and close the store.
 */
export class ChangeSignal implements Disposable {
  readonly #paths: StorePaths;
  readonly #environment: StoreEnvironment;
  readonly #onTick: () => void;
  readonly #onLost: (reason: string) => void;
  readonly #waiting = new Set<() => void>();
  #ticket = 0;
  #subscribers = 0;
  #watch: Disposable | undefined;
  #watched: string | undefined;
  #timer: Disposable | undefined;
  #reported = false;
  #look: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param onTick runs at every safety check, before the waiters are told
   * @param onLost runs once when events cannot be had and only the timer is left
   */
  constructor(
    paths: StorePaths,
    environment: StoreEnvironment,
    onTick: () => void,
    onLost: (reason: string) => void,
  ) {
    this.#paths = paths;
    this.#environment = environment;
    this.#onTick = onTick;
    this.#onLost = onLost;
  }

  /** Watches for as long as any subscription is held. */
  subscribe(): Disposable {
    this.#subscribers += 1;
    if (this.#subscribers === 1) this.#start();
    let open = true;
    return {
      [Symbol.dispose]: () => {
        if (!open) return;
        open = false;
        this.#subscribers -= 1;
        if (this.#subscribers === 0) this.#stop();
      },
    };
  }

  /** Take one before looking at the store; `changed` then misses nothing that happens after. */
  get ticket(): number {
    return this.#ticket;
  }

  /** Resolves once the store may have changed since `ticket` was taken, or when `signal` is aborted. */
  changed(ticket: number, signal: AbortSignal): Promise<void> {
    if (this.#ticket !== ticket || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  /** The store may have changed. */
  notify(): void {
    this.#ticket += 1;
    for (const wake of [...this.#waiting]) wake();
  }

  [Symbol.dispose](): void {
    this.#stop();
    this.notify();
  }

  #start(): void {
    this.#rewatch();
    this.#arm();
  }

  #stop(): void {
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    clearTimeout(this.#look);
    this.#look = undefined;
  }

  #onEvent(): void {
    this.notify();
    this.#lookIn(SECOND_LOOK_MS);
  }

  /** Real time, not the clock's: this waits for another process and its disk. */
  #lookIn(delayMs: number): void {
    clearTimeout(this.#look);
    this.#look = setTimeout(() => {
      // Asked before anybody reads: a writer that is done by now has made its commit visible.
      const writing = mayBeLocked(this.#paths.lock);
      this.notify();
      if (writing || delayMs < THIRD_LOOK_MS) this.#lookIn(Math.min(delayMs * 2, LAST_LOOK_MS));
    }, delayMs);
  }

  #arm(): void {
    const delay = this.#watch === undefined ? POLL_MS : SAFETY_CHECK_MS;
    this.#timer = this.#environment.clock.setTimer(delay, () => {
      // The directory may have been removed and made again, which ends the events of the old one.
      if (this.#watch === undefined || fileIdOf(this.#paths.directory) !== this.#watched) this.#rewatch();
      this.#onTick();
      if (this.#timer !== undefined) this.#arm();
      this.notify();
    });
  }

  #rewatch(): void {
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
    const name = basename(this.#paths.file);
    const lost = (reason: string): void => {
      this.#watch?.[Symbol.dispose]();
      this.#watch = undefined;
      if (!this.#reported) this.#onLost(reason);
      this.#reported = true;
    };
    try {
      this.#watched = fileIdOf(this.#paths.directory);
      this.#watch = this.#environment.watchDirectory(
        this.#paths.directory,
        // The lock and the heartbeat lie beside the store and change without it.
        (changed) => {
          if (changed === name || changed === `${name}-wal` || changed === '') this.#onEvent();
        },
        () => lost('the watch on its directory ended'),
      );
    } catch (error) {
      // ENOSPC and EMFILE: fs.inotify.max_user_watches or max_user_instances is used up.
      lost(error instanceof Error ? error.message : String(error));
    }
  }
}

/** Where that cannot be told (EMFILE), there is another look, as if somebody wrote. */
function mayBeLocked(path: string): boolean {
  try {
    return isLocked(path);
  } catch {
    return true;
  }
}
