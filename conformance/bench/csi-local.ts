/**
 * `underpod csi local` as its callers see it: a volume's life, snapshots by reflink, and long lists. On a pool of its own, whose
 * file system is in an image, so that the figures have that image's costs in them.
 */

import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { ControllerCalls, NodeCalls } from '#messages/csi';
import { DriverProcess } from '../csi/driver-process.ts';
import { creation, MIB, mountable, publishing, staging } from '../csi/requests.ts';
import { StorageWorld } from '../csi/world.ts';
import { freshNetns, run } from '../testing/netns.ts';
import { type Figure, median } from './figure.ts';

const VOLUMES = 1000;
/** Rounds from which on what takes a minute is measured as well. */
const MANY = 100;
/** At a time, while the list's volumes are made. */
const AT_ONCE = 8;

/** @param rounds of the cycle; the rest takes a fifth of it */
export async function benchCsiLocal(executable: string, rounds: number): Promise<Figure[]> {
  if (!freshNetns()) return [];
  using world = new StorageWorld();
  const pool = world.addPool('pool', 'xfs', 40 * 1024 * MIB);
  await using driver = new DriverProcess({
    directory: `${world.path}/driver`,
    pools: [`default=${pool}`],
    program: [executable],
    flags: ['--log-level=info'],
  });
  await driver.start();
  const few = Math.max(5, Math.floor(rounds / 5));
  const bench = new Bench(world, driver);
  return [
    ...(await bench.cycles(rounds)),
    await bench.snapshots('a volume of 1 GiB', 0, few, 60),
    await bench.snapshots('10,000 extents', 10_000, few, 60),
    await bench.list(few),
    // The last: after it the pool's file system has its hands full for a while.
    ...(rounds >= MANY ? [await bench.snapshots('1,000,000 extents', 1_000_000, 1)] : []),
  ];
}

class Bench {
  readonly #world: StorageWorld;
  readonly #driver: DriverProcess;

  constructor(world: StorageWorld, driver: DriverProcess) {
    this.#world = world;
    this.#driver = driver;
  }

  async cycles(rounds: number): Promise<Figure[]> {
    const published: number[] = [];
    const whole: number[] = [];
    for (let round = -3; round < rounds; round++) {
      const begin = performance.now();
      await this.#create('cycle', { mib: 1024 });
      await this.#stage('cycle');
      await this.#publish('cycle');
      const middle = performance.now();
      await this.#end('cycle');
      // The first are slower: what they need is loaded then.
      if (round < 0) continue;
      published.push(middle - begin);
      whole.push(performance.now() - begin);
    }
    const what = 'a volume of 1 GiB, ext4';
    return [
      { name: `${what}: created, staged, published`, ours: median(published), budget: 30, rounds },
      { name: `${what}: and unpublished, unstaged, deleted`, ours: median(whole), budget: 60, rounds },
    ];
  }

  /** @param extents that its image has at least; 0: as it is made */
  async snapshots(what: string, extents: number, rounds: number, budget?: number): Promise<Figure> {
    const name = `snap-of-${extents}`;
    const capability = mountable('SINGLE_NODE_WRITER', 'xfs');
    // Each extent is a block, and the next block is none of it.
    const bytes = Math.max(64 * MIB, extents * 4096);
    await this.#create(name, { mib: Math.max(1024, Math.ceil(bytes / MIB) + 512), capability });
    await this.#stage(name, capability);
    scatter(`${this.#stageOf(name)}/file`, bytes, extents);
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const begin = performance.now();
      const request = { name: `${name}-${round}`, sourceVolumeId: name };
      const { snapshot } = await this.#driver.channel.unary(ControllerCalls.createSnapshot, request, {
        timeoutMs: 300_000,
      });
      times.push(performance.now() - begin);
      const snapshotId = snapshot?.snapshotId ?? '';
      await this.#driver.channel.unary(
        ControllerCalls.deleteSnapshot,
        { snapshotId },
        { timeoutMs: 300_000 },
      );
    }
    await this.#unstage(name);
    await this.#remove(name);
    return {
      name: `snapshot by reflink: ${what}`,
      ours: median(times),
      rounds,
      ...(budget !== undefined && { budget }),
    };
  }

  async list(rounds: number): Promise<Figure> {
    const names = Array.from({ length: VOLUMES }, (_, n) => `listed-${n}`);
    await inParallel(names, (name) => this.#create(name, { mib: 16, parameters: { provisioning: 'thin' } }));
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const begin = performance.now();
      const { entries } = await this.#driver.channel.unary(ControllerCalls.listVolumes, {});
      times.push(performance.now() - begin);
      if (entries.length !== VOLUMES)
        throw new Error(`a list of ${entries.length} volumes instead of ${VOLUMES}`);
    }
    await inParallel(names, (name) => this.#remove(name));
    return { name: `a list of ${VOLUMES} volumes`, ours: median(times), budget: 20, rounds };
  }

  #stageOf(id: string): string {
    return `${this.#world.path}/kubelet/stage-${id}`;
  }

  #targetOf(id: string): string {
    return `${this.#world.path}/kubelet/target-${id}`;
  }

  #create(...[name, wish]: Parameters<typeof creation>): Promise<unknown> {
    return this.#driver.channel.unary(ControllerCalls.createVolume, creation(name, wish), {
      timeoutMs: 60_000,
    });
  }

  #stage(id: string, capability = mountable()): Promise<unknown> {
    return this.#driver.channel.unary(NodeCalls.nodeStageVolume, staging(id, this.#stageOf(id), capability));
  }

  #publish(id: string): Promise<unknown> {
    const request = publishing(id, this.#stageOf(id), this.#targetOf(id));
    return this.#driver.channel.unary(NodeCalls.nodePublishVolume, request);
  }

  #unstage(volumeId: string): Promise<unknown> {
    const request = { volumeId, stagingTargetPath: this.#stageOf(volumeId) };
    return this.#driver.channel.unary(NodeCalls.nodeUnstageVolume, request, { timeoutMs: 60_000 });
  }

  #remove(volumeId: string): Promise<unknown> {
    return this.#driver.channel.unary(ControllerCalls.deleteVolume, { volumeId }, { timeoutMs: 60_000 });
  }

  async #end(volumeId: string): Promise<void> {
    const request = { volumeId, targetPath: this.#targetOf(volumeId) };
    await this.#driver.channel.unary(NodeCalls.nodeUnpublishVolume, request);
    await this.#unstage(volumeId);
    await this.#remove(volumeId);
  }
}

/** A file whose every second block is written, so that what is written and what is not take turns in the image below. */
function scatter(path: string, bytes: number, extents: number): void {
  run('fallocate', '-l', String(bytes), path);
  const block = Buffer.alloc(4096, 1);
  const fd = openSync(path, 'r+');
  try {
    for (let n = 0; n < extents / 2; n++) writeSync(fd, block, 0, block.length, n * 8192);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

async function inParallel(names: readonly string[], work: (name: string) => Promise<unknown>): Promise<void> {
  const rest = names.values();
  const worker = async (): Promise<void> => {
    for (const name of rest) await work(name);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
