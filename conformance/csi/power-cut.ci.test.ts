/**
 * The power goes: the image of a pool is copied by reflink, at random moments of the driver's work, which is what a disk would hold.
 * On each copy the file system is whole after its journal, and a driver that starts there has every volume that was acknowledged,
 * with what was written to it and flushed.
 */

import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ControllerCalls, NodeCalls } from '#messages/csi';
import { attachedLoops, detachLoop } from '../../shared/sys/loop.ts';
import { freshNetns, run } from '../testing/netns.ts';
import { Random } from '../testing/random.ts';
import { slowness } from '../testing/slowness.ts';
import { DriverProcess } from './driver-process.ts';
import { creation, MIB, mountable, publishing, staging } from './requests.ts';
import { StorageWorld } from './world.ts';

/** How many moments, each half of them on one of the file systems; `make soak` takes two hundred. */
const MOMENTS = Number(process.env['UNDERPOD_POWER_CUTS'] ?? 12);
const SEED = Number(process.env['UNDERPOD_SEED'] ?? 20261128);
const LIMIT = (60_000 + MOMENTS * 10_000) * slowness;
const POOL_BYTES = 1024 * MIB;

const KINDS = {
  ext4: {
    mkfs: ['mkfs.ext4', '-q', '-F', '-E', 'lazy_itable_init=1,lazy_journal_init=1'],
    // 1: it replayed its journal, and mended what that leaves.
    check: (image: string) => fsck('e2fsck', ['-f', '-p', image], [0, 1]),
  },
  xfs: {
    mkfs: ['mkfs.xfs', '-q', '-m', 'reflink=1'],
    // Its journal is replayed by a mount alone; after that there must be nothing to mend.
    check: (image: string) => fsck('xfs_repair', ['-n', image], [0]),
  },
} as const;
type Kind = keyof typeof KINDS;

function fsck(program: string, args: readonly string[], good: readonly number[]): void {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  expect(good, `${program} ${args.join(' ')}: ${stdout}${stderr}`).toContain(status);
}

/** A volume that was published, with what is in it for certain. */
interface Written {
  readonly id: string;
  readonly sha: string;
}

const shaOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Makes volumes, writes to them, takes snapshots and deletes them, until it is told to stop. */
class Workload {
  /** What a cut at any later moment must not take, unless its deletion had begun. */
  readonly kept = new Map<string, Written>();
  readonly #driver: DriverProcess;
  readonly #base: string;
  #next = 0;

  constructor(driver: DriverProcess, base: string) {
    this.#driver = driver;
    this.#base = base;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const id = `pvc-${this.#next++}`;
      await this.#make(id);
      const [oldest] = this.kept.keys();
      if (this.kept.size > 4 && oldest !== undefined) await this.#remove(oldest);
    }
  }

  async #make(id: string): Promise<void> {
    const { channel } = this.#driver;
    const [stage, target] = [`${this.#base}/stage-${id}`, `${this.#base}/target-${id}`];
    await channel.unary(ControllerCalls.createVolume, creation(id, { mib: 32 }));
    await channel.unary(NodeCalls.nodeStageVolume, staging(id, stage));
    await channel.unary(NodeCalls.nodePublishVolume, publishing(id, stage, target));
    const bytes = randomBytes(200_000);
    const fd = openSync(`${target}/proof`, 'w');
    writeSync(fd, bytes);
    fsyncSync(fd);
    closeSync(fd);
    const directory = openSync(target, 'r');
    fsyncSync(directory);
    closeSync(directory);
    this.kept.set(id, { id, sha: shaOf(bytes) });
    await channel.unary(ControllerCalls.createSnapshot, { name: `snap-${id}`, sourceVolumeId: id });
    await channel.unary(ControllerCalls.controllerExpandVolume, {
      volumeId: id,
      capacityRange: { requiredBytes: BigInt(48 * MIB) },
    });
  }

  async #remove(id: string): Promise<void> {
    const { channel } = this.#driver;
    this.kept.delete(id);
    await channel.unary(NodeCalls.nodeUnpublishVolume, {
      volumeId: id,
      targetPath: `${this.#base}/target-${id}`,
    });
    await channel.unary(NodeCalls.nodeUnstageVolume, {
      volumeId: id,
      stagingTargetPath: `${this.#base}/stage-${id}`,
    });
    await channel.unary(ControllerCalls.deleteVolume, { volumeId: id });
    await channel.unary(ControllerCalls.deleteSnapshot, { snapshotId: `snap-${id}` });
  }
}

/** A driver on what a disk held at one moment. */
async function lookAt(
  world: StorageWorld,
  kind: Kind,
  image: string,
  at: number,
  kept: readonly Written[],
): Promise<void> {
  const mounted = `${world.path}/after-${at}`;
  const directory = `${world.path}/driver-${at}`;
  for (const path of [mounted, directory]) mkdirSync(path);
  if (kind === 'ext4') KINDS.ext4.check(image);
  run('mount', '-o', 'loop', image, mounted);
  try {
    await using driver = new DriverProcess({ directory, pools: [`default=${mounted}/volumes`] });
    await driver.start();
    const { channel } = driver;
    const { entries } = await channel.unary(ControllerCalls.listVolumes, {});
    const ids = entries.map(({ volume }) => volume?.volumeId ?? '');
    for (const { id, sha } of kept) {
      expect(ids, `moment ${at}`).toContain(id);
      const stage = `${directory}/stage-${id}`;
      await channel.unary(NodeCalls.nodeStageVolume, staging(id, stage));
      expect(shaOf(readFileSync(`${stage}/proof`)), `moment ${at}, ${id}`).toBe(sha);
      await channel.unary(NodeCalls.nodeUnstageVolume, { volumeId: id, stagingTargetPath: stage });
    }
    // Every name of the work can be had, half made or half gone as it may have been, and everything can be removed.
    const again = [...new Set([...ids, 'pvc-new'])];
    for (const id of again) {
      const wish = creation(id, { mib: 32, capability: mountable() });
      await channel.unary(ControllerCalls.createVolume, {
        ...wish,
        capacityRange: { requiredBytes: BigInt(32 * MIB) },
      });
    }
    for (const id of again) await channel.unary(ControllerCalls.deleteVolume, { volumeId: id });
    const left = await channel.unary(ControllerCalls.listVolumes, {});
    expect(left.entries).toEqual([]);
  } finally {
    run('umount', mounted);
  }
  if (kind === 'xfs') KINDS.xfs.check(image);
}

describe.skipIf(!freshNetns())('the power goes', () => {
  test.each(Object.keys(KINDS) as Kind[])(
    'with the pool on %s nothing that was acknowledged is lost',
    async (kind) => {
      using world = new StorageWorld();
      const disk = world.addPool('disk', 'xfs', 16 * POOL_BYTES);
      const image = `${disk}/pool.img`;
      writeFileSync(image, '');
      truncateSync(image, POOL_BYTES);
      const [program, ...args] = KINDS[kind].mkfs;
      run(program, ...args, image);
      const pool = `${world.path}/pool`;
      mkdirSync(pool);
      run('mount', '-o', 'loop', image, pool);
      const chance = new Random(SEED);
      const cuts: { readonly image: string; readonly kept: readonly Written[] }[] = [];
      {
        await using driver = new DriverProcess({
          directory: `${world.path}/driver`,
          pools: [`default=${pool}/volumes`],
        });
        await driver.start();
        const stop = new AbortController();
        const workload = new Workload(driver, `${world.path}/kubelet`);
        const work = workload.run(stop.signal);
        for (let at = 0; at < Math.ceil(MOMENTS / 2); at++) {
          await Bun.sleep(20 + chance.below(400));
          const before = [...workload.kept.values()];
          const copy = `${disk}/cut-${at}.img`;
          const cp = Bun.spawn(['cp', '--reflink=always', image, copy], { stderr: 'inherit' });
          expect(await cp.exited).toBe(0);
          // What was begun to be deleted meanwhile may be gone.
          cuts.push({ image: copy, kept: before.filter(({ id }) => workload.kept.has(id)) });
        }
        stop.abort();
        await work;
        for (const id of [...workload.kept.keys()]) {
          const paths = {
            stage: `${world.path}/kubelet/stage-${id}`,
            target: `${world.path}/kubelet/target-${id}`,
          };
          await driver.channel.unary(NodeCalls.nodeUnpublishVolume, {
            volumeId: id,
            targetPath: paths.target,
          });
          await driver.channel.unary(NodeCalls.nodeUnstageVolume, {
            volumeId: id,
            stagingTargetPath: paths.stage,
          });
        }
      }
      run('umount', pool);
      expect(cuts.some(({ kept }) => kept.length > 0)).toBe(true);
      for (const [at, { image: copy, kept }] of cuts.entries()) await lookAt(world, kind, copy, at, kept);
      for (const { path } of attachedLoops().filter(({ path: each }) => backing(each).startsWith(world.path)))
        detachLoop(path);
      process.stdout.write(
        `${kind}: ${cuts.length} moments, ${cuts.reduce((sum, { kept }) => sum + kept.length, 0)} volumes found whole\n`,
      );
    },
    LIMIT,
  );
});

function backing(device: string): string {
  return readFileSync(`/sys/block/${device.slice('/dev/'.length)}/loop/backing_file`, 'utf8');
}
