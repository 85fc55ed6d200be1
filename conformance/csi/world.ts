/** A node's directory with pools and a kubelet's paths, and what is left in it when all should be gone. */

import { existsSync, mkdirSync, readdirSync, realpathSync, truncateSync, writeFileSync } from 'node:fs';
import { MNT } from '../../shared/sys/constants.ts';
import { attachedLoops, detachLoop } from '../../shared/sys/loop.ts';
import { unmount } from '../../shared/sys/mount.ts';
import { readMounts } from '../../shared/sys/mounts.ts';
import { stat } from '../../shared/sys/stat.ts';
import { run, TemporaryDirectory } from '../testing/netns.ts';

/** How a pool's file system is made and mounted. */
const KINDS = {
  ext4: { mkfs: ['mkfs.ext4', '-q', '-F', '-E', 'lazy_itable_init=1,lazy_journal_init=1'] },
  xfs: { mkfs: ['mkfs.xfs', '-q', '-m', 'reflink=1'] },
  btrfs: { mkfs: ['mkfs.btrfs', '-q'] },
  quota: { mkfs: ['mkfs.xfs', '-q', '-m', 'reflink=1'], options: 'prjquota' },
} as const;
export type PoolKind = keyof typeof KINDS;

/** To be used in a mount namespace of the test's own. */
export class StorageWorld implements Disposable {
  readonly path: string;
  readonly #directory = new TemporaryDirectory();
  readonly #pools: string[] = [];

  constructor() {
    this.path = realpathSync(this.#directory.path);
    mkdirSync(`${this.path}/driver`);
    mkdirSync(`${this.path}/kubelet`);
  }

  /** A pool on a file system of its own. @param size bytes, which take room only as they are written */
  addPool(name: string, kind: PoolKind, size: number): string {
    const path = `${this.path}/${name}`;
    const { mkfs, options = '' } = { options: undefined, ...KINDS[kind] };
    const [program, ...args] = mkfs;
    mkdirSync(path);
    writeFileSync(`${path}.img`, '');
    truncateSync(`${path}.img`, size);
    run(program, ...args, `${path}.img`);
    // A device that goes with the mount, and so with this process.
    run('mount', '-o', `loop${options === '' ? '' : `,${options}`}`, `${path}.img`, path);
    this.#pools.push(path);
    if (kind === 'btrfs') run('btrfs', 'quota', 'enable', path);
    return path;
  }

  /** What is there that no volume needs: mounts, devices, files; empty where everything is as before the first. */
  remnants(): string[] {
    const mounts = readMounts().flatMap(({ target }) =>
      target.startsWith(`${this.path}/`) && !this.#pools.includes(target) ? [`mount ${target}`] : [],
    );
    const files = [
      ...this.#pools.flatMap((pool) => [`${pool}/volumes`, `${pool}/snapshots`]),
      `${this.path}/driver/state/uses`,
    ].flatMap((directory) =>
      existsSync(directory)
        ? readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => `${directory}/${name}`)
        : [],
    );
    return [...mounts, ...this.#devices().map((device) => `device ${device}`), ...files];
  }

  [Symbol.dispose](): void {
    for (const { target } of readMounts().toReversed())
      if (target.startsWith(`${this.path}/`) && !this.#pools.includes(target)) unmount(target, MNT.DETACH);
    for (const device of this.#devices()) detachLoop(device);
    for (const pool of this.#pools) unmount(pool, MNT.DETACH);
    this.#directory[Symbol.dispose]();
  }

  /** Loop devices whose file is on one of the pools. */
  #devices(): string[] {
    const pools = this.#pools.map((pool) => stat(pool).dev);
    return attachedLoops().flatMap(({ dev, path }) => (pools.includes(dev) ? [path] : []));
  }
}
