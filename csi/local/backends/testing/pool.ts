/** Pools for tests: a file system in a sparse image, mounted in the mount namespace of the test's process. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, realpathSync, truncateSync, writeFileSync } from 'node:fs';
import { run, TemporaryDirectory } from '../../../../conformance/testing/netns.ts';
import { MNT } from '../../../../shared/sys/constants.ts';
import { attachedLoops, detachLoop } from '../../../../shared/sys/loop.ts';
import { mount, unmount } from '../../../../shared/sys/mount.ts';
import { readMounts } from '../../../../shared/sys/mounts.ts';
import { stat } from '../../../../shared/sys/stat.ts';
import type { Backend } from '../backend.ts';

const GIB = 1024 ** 3;

/** How a pool's file system is made. */
const KINDS = {
  ext4: ['mkfs.ext4', '-q', '-F', '-E', 'lazy_itable_init=1,lazy_journal_init=1'],
  xfs: ['mkfs.xfs', '-q', '-m', 'reflink=1'],
  btrfs: ['mkfs.btrfs', '-q'],
  tmpfs: [],
} as const;
export type PoolKind = keyof typeof KINDS;

/** A pool with places and targets, all of which `clear` takes away. */
export class TestPool implements Disposable {
  /** The pool's directory. */
  readonly path: string;
  readonly #directory = new TemporaryDirectory();
  readonly #places = new Set<string>();

  constructor(kind: PoolKind, options: string = '') {
    const base = realpathSync(this.#directory.path);
    this.path = `${base}/pool`;
    try {
      mountPool(base, kind, options);
    } catch (error) {
      this.#directory[Symbol.dispose]();
      throw error;
    }
    mkdirSync(`${this.path}/volumes`);
  }

  /** The place of a volume, made where it is not there. */
  place(id: string): string {
    const path = `${this.path}/volumes/${id}`;
    mkdirSync(path, { recursive: true });
    this.#places.add(path);
    return path;
  }

  /** A directory to mount at. */
  target(name: string): string {
    const path = `${this.#directory.path}/targets/${name}`;
    mkdirSync(path, { recursive: true });
    return realpathSync(path);
  }

  /** Unmounts, detaches and removes all, as the driver would. @throws Error where something is left all the same */
  async clear(backend: Backend): Promise<void> {
    this.#unmountTargets();
    const left: string[] = [];
    for (const place of this.#places) {
      await backend.detach(place);
      await backend.remove(place, { signal: new AbortController().signal });
      left.push(...readdirSync(place).map((name) => `${place}/${name}`));
    }
    for (const device of this.#devices()) {
      left.push(device);
      // The next test is to fail for its own reasons.
      detachLoop(device);
    }
    this.#places.clear();
    if (left.length > 0) throw new Error(`left behind: ${left.join(', ')}`);
  }

  [Symbol.dispose](): void {
    this.#unmountTargets();
    for (const device of this.#devices()) detachLoop(device);
    unmount(this.path, MNT.DETACH);
    this.#directory[Symbol.dispose]();
  }

  #unmountTargets(): void {
    const below = `${realpathSync(this.#directory.path)}/targets/`;
    for (const { target } of readMounts().toReversed())
      if (target.startsWith(below)) unmount(target, MNT.DETACH);
  }

  /** Loop devices whose file is on the pool. */
  #devices(): string[] {
    const { dev } = stat(this.path);
    return attachedLoops().flatMap((device) => (device.dev === dev ? [device.path] : []));
  }
}

function mountPool(base: string, kind: PoolKind, options: string): void {
  const path = `${base}/pool`;
  mkdirSync(path);
  mkdirSync(`${base}/targets`);
  const [program, ...args] = KINDS[kind];
  if (program === undefined) {
    mount('tmpfs', path, 'tmpfs', 0, 'size=2g');
    return;
  }
  const image = `${base}/pool.img`;
  writeFileSync(image, '');
  truncateSync(image, 3 * GIB);
  // ext4 keeps its quotas in inodes of its own, which are made with it.
  const quotas = ['-O', 'project,quota', '-E', 'quotatype=prjquota'];
  run(program, ...args, ...(kind === 'ext4' && options.includes('prjquota') ? quotas : []), image);
  // A module, and of no device that would load it, where nothing has used it yet.
  if (!existsSync('/dev/loop-control')) run('modprobe', 'loop');
  // A device that goes with the mount, and so with this process.
  run('mount', '-o', `loop${options && `,${options}`}`, image, path);
}

/** What a program said against it; nothing where it worked. */
export function tryRun(program: string, ...args: string[]): string {
  const { status, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  return status === 0 ? '' : stderr || `exit code ${status}`;
}
