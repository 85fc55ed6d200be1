/**
 * What volumes cost, on this machine's own file system and on XFS in an image: `bun csi/local/backends/backends.bench.ts`.
 *
 * A snapshot's child is run uncompiled here, which takes 4 ms longer than the executable.
 */

import { writeSync } from 'node:fs';
import { freshNetns, TemporaryDirectory } from '../../../conformance/testing/netns.ts';
import { O } from '../../../shared/sys/constants.ts';
import { mkdirp, openFile } from '../../../shared/sys/file.ts';
import { unmount } from '../../../shared/sys/mount.ts';
import { monotonicMs } from '../../../shared/sys/process.ts';
import type { Shape, Work } from './backend.ts';
import { LoopBackend } from './loop.ts';
import { flush, writeAt } from './off-loop.ts';
import { TestPool } from './testing/pool.ts';

export interface Figure {
  readonly name: string;
  readonly p50Ms: number;
  readonly budgetMs?: number;
}

const GIB = 1024 ** 3;
const WORK: Work = { signal: new AbortController().signal };
const OPTIONS = { readOnly: false, flags: [] };
const SHAPE: Shape = { size: GIB, thin: false, access: 'mount', fsType: 'ext4' };

export async function benchBackends(rounds: number): Promise<Figure[]> {
  return [
    { name: 'create and mount 1 GiB, ext4 in an image', p50Ms: await create(rounds), budgetMs: 25 },
    { name: 'snapshot of one in use, reflink', p50Ms: await snapshot(rounds), budgetMs: 60 },
    { name: 'snapshot of 10,000 extents', p50Ms: await ofExtents(10_000, rounds), budgetMs: 60 },
    { name: 'snapshot of 100,000 extents', p50Ms: await ofExtents(100_000, 3) },
  ];
}

async function create(rounds: number): Promise<number> {
  using directory = new TemporaryDirectory();
  const [backend, place, target] = [new LoopBackend(), directory.join('place'), directory.join('target')];
  mkdirp(place);
  mkdirp(target);
  return await median(rounds, async () => {
    const ms = await timed(async () => {
      await backend.create(place, SHAPE, WORK);
      await backend.mount(place, SHAPE, target, OPTIONS, WORK);
    });
    unmount(target);
    await backend.remove(place, WORK);
    return ms;
  });
}

/** Of a volume into which somebody wrote a little since the last. */
async function snapshot(rounds: number): Promise<number> {
  using pool = new TestPool('xfs');
  const backend = new LoopBackend();
  const [place, copy, target] = [pool.place('v'), pool.place('copy'), pool.target('a')];
  await backend.create(place, SHAPE, WORK);
  await backend.mount(place, SHAPE, target, OPTIONS, WORK);
  const ms = await median(rounds, async () => {
    {
      using file = openFile(`${target}/file`, O.WRONLY | O.CREAT);
      await writeAt(file.fd, crypto.getRandomValues(new Uint8Array(65536)), 0);
    }
    const taken = await timed(() => backend.copy(copy, SHAPE, { place, shape: SHAPE }, WORK));
    await backend.remove(copy, WORK);
    return taken;
  });
  await pool.clear(backend);
  return ms;
}

/** Of a bare volume that nobody uses, every other block of which was written. */
async function ofExtents(extents: number, rounds: number): Promise<number> {
  using pool = new TestPool('xfs');
  const backend = new LoopBackend();
  const shape: Shape = { ...SHAPE, access: 'block', thin: true };
  const [place, copy] = [pool.place('v'), pool.place('copy')];
  await backend.create(place, shape, WORK);
  {
    using file = openFile(`${place}/disk.img`, O.RDWR);
    const block = new Uint8Array(4096).fill(1);
    for (let index = 0; index < extents; index++) await writeAt(file.fd, block, index * 8192);
    await flush(file.fd);
  }
  const ms = await median(rounds, async () => {
    const taken = await timed(() => backend.copy(copy, shape, { place, shape }, WORK));
    await backend.remove(copy, WORK);
    return taken;
  });
  await pool.clear(backend);
  return ms;
}

async function timed(work: () => Promise<void>): Promise<number> {
  const begin = monotonicMs();
  await work();
  return monotonicMs() - begin;
}

async function median(rounds: number, once: () => Promise<number>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) times.push(await once());
  return times.sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? 0;
}

if (import.meta.main && freshNetns()) {
  for (const { name, p50Ms, budgetMs } of await benchBackends(15))
    writeSync(1, `${name}: ${p50Ms.toFixed(1)} ms${budgetMs === undefined ? '' : ` (budget ${budgetMs})`}\n`);
}
