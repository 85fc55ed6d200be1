/**
 * Where a lab keeps what has to outlive one command: a directory with the holder's process numbers, its control
 * socket and its log. Nothing else of a lab is on the host's file systems.
 */

import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type FileLock, tryLock } from '../../shared/sys/lock.ts';
import { slowness } from '../testing/slowness.ts';
import { checkout, type LabOptions } from './options.ts';
import { identify, isAlive, killAll, type ProcessId, processesWithArgument } from './processes.ts';

/** Longest wait for another `up` or `down` of the same lab, in ms: a full `up` takes less. */
const LOCK_TIMEOUT = 60_000;
/** The kernel ends a PID namespace's processes within milliseconds; a machine under load may need seconds. */
const KILL_TIMEOUT = 10_000 * slowness;

/** What `up` writes down as soon as the holder's process exists. */
export interface HolderState {
  readonly version: 1;
  /** unshare(1), which takes the holder with it (--kill-child). */
  readonly parent: ProcessId;
  /** The holder itself, process 1 of the lab's PID namespace, in the host's numbering. */
  readonly holder: ProcessId;
  readonly options: LabOptions;
}

export class Instance {
  readonly name: string;
  readonly directory: string;

  /** @param uid whose lab, if not this user's */
  constructor(name: string, root: string = checkout, uid: number = process.getuid?.() ?? 0) {
    const of = new Bun.CryptoHasher('sha256').update(root).digest('hex').slice(0, 8);
    this.name = name;
    // Not below the checkout: a unix socket's path holds 107 characters (unix(7)), a checkout's path may hold more.
    this.directory = `/tmp/underpod-lab-${uid}-${of}-${name}`;
  }

  get socket(): string {
    return join(this.directory, 'control.sock');
  }

  get log(): string {
    return join(this.directory, 'holder.log');
  }

  /** Where the holder mounts the lab's own file system, in its own mount namespace. */
  get mountPoint(): string {
    return join(this.directory, 'fs');
  }

  /** The argument by which the holder is found in /proc when the state file is missing. */
  get argument(): string {
    return `--lab-directory=${this.directory}`;
  }

  get #stateFile(): string {
    return join(this.directory, 'state.json');
  }

  /**
   * Creates the directory and takes its lock, so that one command at a time changes this lab.
   *
   * @param waiting is called once if another command has the lock
   */
  async lock(waiting: () => void): Promise<FileLock> {
    const deadline = performance.now() + LOCK_TIMEOUT;
    for (let tries = 0; ; tries++) {
      this.#createDirectory();
      const lock = tryLock(join(this.directory, 'lock'));
      if (lock !== undefined) return lock;
      if (tries === 0) waiting();
      if (performance.now() > deadline)
        throw new Error(`another command has held lab "${this.name}" for a minute`);
      await Bun.sleep(50);
    }
  }

  #createDirectory(): void {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    const stat = lstatSync(this.directory);
    // /tmp is everybody's: somebody else's directory or link must not get our files.
    if (!stat.isDirectory() || stat.uid !== process.getuid?.()) {
      throw new Error(`${this.directory} belongs to somebody else: remove it or use another --name`);
    }
  }

  exists(): boolean {
    return existsSync(this.directory);
  }

  writeState(state: HolderState): void {
    writeFileSync(`${this.#stateFile}.new`, JSON.stringify(state));
    renameSync(`${this.#stateFile}.new`, this.#stateFile);
  }

  /** The running lab's state, or undefined if it does not run. */
  readState(): HolderState | undefined {
    let state: HolderState;
    try {
      state = JSON.parse(readFileSync(this.#stateFile, 'utf8')) as HolderState;
    } catch {
      return undefined;
    }
    return isAlive(state.holder) ? state : undefined;
  }

  /** Every process that pins this lab: those written down, and those an aborted `up` could not write down. */
  holders(): ProcessId[] {
    const state = this.readState();
    const known = state === undefined ? [] : [state.holder, state.parent].filter(isAlive);
    const found = processesWithArgument(this.argument).filter(
      ({ pid }) => !known.some((one) => one.pid === pid),
    );
    return [...known, ...found];
  }

  /**
   * Ends the lab's processes, with which the kernel frees its namespaces and mounts, and removes its files. The
   * caller has the lock.
   *
   * @throws Error if a process is still there afterwards
   */
  async destroy(): Promise<boolean> {
    const holders = this.holders();
    const left = await killAll(holders, KILL_TIMEOUT);
    if (left.length > 0) {
      throw new Error(`processes ${left.map(({ pid }) => pid).join(', ')} of the lab do not end`);
    }
    for (const entry of readdirSync(this.directory).filter((name) => name !== 'lock')) {
      rmSync(join(this.directory, entry), { recursive: true });
    }
    return holders.length > 0;
  }

  /** Removes what `lock` made. */
  remove(lock: FileLock): void {
    lock.removeAndRelease();
    try {
      rmdirSync(this.directory);
    } catch (error) {
      // Another command has just begun in it.
      if (!['ENOTEMPTY', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }

  /** The end of the holder's log, for an error message. */
  logTail(lines: number): string {
    try {
      return readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
    } catch {
      return '';
    }
  }
}

/** @throws Error if the process has already ended */
export function mustIdentify(pid: number): ProcessId {
  const found = identify(pid);
  if (found === undefined) throw new Error(`process ${pid} ended at once`);
  return found;
}
