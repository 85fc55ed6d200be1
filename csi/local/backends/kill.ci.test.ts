/**
 * kill -9 before every system call that a backend's methods make, in turn; then the same call again, from a new process. Nothing
 * is lost, nothing is left, and nobody waits for ever.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freshNetns, run, TemporaryDirectory } from '../../../conformance/testing/netns.ts';
import { slowness } from '../../../conformance/testing/slowness.ts';
import { unmount } from '../../../shared/sys/mount.ts';
import type { Backend, Shape } from './backend.ts';
import { BtrfsBackend } from './btrfs.ts';
import { hashOf, MIB, plantFile, WORK } from './contract.ts';
import { DirectoryBackend } from './directory.ts';
import { LoopBackend } from './loop.ts';
import { type Call, type CallOf, MARK } from './testing/call.ts';
import { type PoolKind, TestPool, tryRun } from './testing/pool.ts';

const available = freshNetns();
const SHAPE: Shape = { size: 32 * MIB, thin: false, access: 'mount', fsType: 'ext4' };
const LARGER: Shape = { ...SHAPE, size: 64 * MIB };

/** What changes something, or begins something that does. */
const CALLS = [
  ...[
    'openat',
    'openat2',
    'unlinkat',
    'renameat2',
    'mkdirat',
    'fallocate',
    'ftruncate',
    'fchmodat',
    'fchmod',
  ],
  ...['ioctl', 'mount', 'fsync', 'pwrite64', 'vfork', 'clone3'],
];

const SCRIPT = `${import.meta.dirname}/testing/call.ts`;

/** One system call of a method, as strace(1) counts them: by thread. */
interface Point {
  readonly name: string;
  readonly nth: number;
}

function strace(call: Call, trace: string, ...options: string[]): number | null {
  const args = ['-f', '-qq', '-o', trace, '-e', `trace=${CALLS.join(',')}`, ...options];
  const program = [process.execPath, SCRIPT, JSON.stringify(call)];
  return spawnSync('strace', [...args, ...program], { stdio: 'ignore' }).status;
}

/** The system calls of the method itself, read from a run that is not killed. */
function pointsOf(call: Call): Point[] {
  using directory = new TemporaryDirectory();
  const trace = directory.join('trace');
  expect(strace(call, trace)).toBe(0);
  const lines = readFileSync(trace, 'latin1').split('\n');
  const main = lines.find((line) => line.includes(MARK))?.split(' ', 1)[0];
  const counts = new Map<string, number>();
  const points: Point[] = [];
  let began = false;
  for (const line of lines) {
    const [, pid, name] = /^(\d+) +([a-z_0-9]+)\(/.exec(line) ?? [];
    if (pid !== main || name === undefined) continue;
    const nth = (counts.get(name) ?? 0) + 1;
    counts.set(name, nth);
    if (began) points.push({ name, nth });
    began ||= line.includes(MARK);
  }
  return points;
}

function killAt(call: Call, { name, nth }: Point): void {
  using directory = new TemporaryDirectory();
  strace(call, directory.join('trace'), '-e', `inject=${name}:signal=KILL:when=${nth}`);
}

/** The call as it should go, from a process that knows nothing of the one that was killed. */
function callAgain(call: Call): void {
  run(process.execPath, SCRIPT, JSON.stringify(call));
}

interface Case {
  readonly pool: PoolKind;
  readonly make: () => Backend;
  readonly prepare?: (pool: string) => void;
}

const CASES: Readonly<Record<string, Case>> = {
  'loop on xfs': { pool: 'xfs', make: () => new LoopBackend() },
  'loop on ext4': { pool: 'ext4', make: () => new LoopBackend() },
  btrfs: {
    pool: 'btrfs',
    make: () => new BtrfsBackend(),
    prepare: (pool) => void run('btrfs', 'quota', 'enable', pool),
  },
  directory: { pool: 'xfs', make: () => new DirectoryBackend() },
};

describe.skipIf(!available).each(Object.entries(CASES))('%s', (_, { pool: kind, make, prepare }) => {
  let pool: TestPool;
  beforeAll(() => {
    pool = new TestPool(kind);
    prepare?.(pool.path);
  });
  afterAll(() => pool[Symbol.dispose]());

  /** A volume with a file in it. @returns the file's hash */
  async function volume(place: string, stays = false): Promise<string> {
    const backend = make();
    await backend.create(place, SHAPE, WORK);
    const target = pool.target('source');
    await backend.mount(place, SHAPE, target, { readOnly: false, flags: [] }, WORK);
    const sum = plantFile(`${target}/file`, MIB);
    if (stays) return sum;
    unmount(target);
    await backend.detach(place);
    return sum;
  }

  async function holds(place: string, shape: Shape, sum: string | undefined): Promise<void> {
    const backend = make();
    const target = pool.target('after');
    await backend.mount(place, shape, target, { readOnly: false, flags: [] }, WORK);
    if (sum === undefined) plantFile(`${target}/file`, MIB);
    else expect(hashOf(`${target}/file`)).toBe(sum);
    expect(await backend.condition(place, shape)).toBeUndefined();
    unmount(target);
    await backend.detach(place);
  }

  /** Kills the call at each of its points. */
  async function everywhere(
    call: CallOf,
    before: () => Promise<void>,
    after: () => Promise<void>,
  ): Promise<void> {
    const whole: Call = { ...call, backend: make().name };
    await before();
    const points = pointsOf(whole);
    await after();
    await pool.clear(make());
    // A plain directory has nothing that is expanded.
    if (call.method !== 'expand' || make().features.enforcesSize) expect(points).not.toEqual([]);
    for (const point of points) {
      await before();
      killAt(whole, point);
      callAgain(whole);
      await after();
      await pool.clear(make()).catch((error: unknown) => {
        throw new Error(`after a kill before ${point.name} ${point.nth}`, { cause: error });
      });
    }
  }

  const limit = 240_000 * slowness;

  test('create', { timeout: limit }, async () => {
    const place = pool.place('v');
    await everywhere(
      { method: 'create', arguments: [place, SHAPE] },
      async () => void pool.place('v'),
      () => holds(place, SHAPE, undefined),
    );
  });

  test('copy, of one in use', { timeout: limit }, async () => {
    const [place, copy] = [pool.place('v'), pool.place('copy')];
    let sum = '';
    await everywhere(
      { method: 'copy', arguments: [copy, LARGER, { place, shape: SHAPE }] },
      async () => {
        pool.place('copy');
        sum = await volume(pool.place('v'), true);
      },
      async () => {
        // Nobody is kept waiting for a child that held the source.
        expect(tryRun('timeout', '10', 'touch', `${pool.target('source')}/touched`)).toBe('');
        await holds(copy, LARGER, sum);
      },
    );
  });

  test('mount', { timeout: limit }, async () => {
    const [place, target] = [pool.place('v'), pool.target('mounted')];
    let sum = '';
    await everywhere(
      { method: 'mount', arguments: [place, SHAPE, target, { readOnly: false, flags: ['noexec'] }] },
      async () => {
        sum = await volume(pool.place('v'));
      },
      async () => {
        expect(hashOf(`${target}/file`)).toBe(sum);
        unmount(target);
      },
    );
  });

  test('expand', { timeout: limit }, async () => {
    const place = pool.place('v');
    let sum = '';
    await everywhere(
      { method: 'expand', arguments: [place, LARGER] },
      async () => {
        sum = await volume(pool.place('v'));
        if (make().features.block) await make().attach(place, SHAPE);
      },
      () => holds(place, LARGER, sum),
    );
  });

  test('remove', { timeout: limit }, async () => {
    const place = pool.place('v');
    await everywhere(
      { method: 'remove', arguments: [place] },
      async () => void (await volume(pool.place('v'))),
      async () => {
        expect(existsSync(place)).toBe(true);
        expect(readdirSync(place)).toEqual([]);
      },
    );
  });
});
