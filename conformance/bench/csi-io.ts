/**
 * What a pod's files get through a local volume, beside a plain directory of the file system that the pool is on: the same jobs of fio
 * in turns, by the time of an operation. The pool is a directory of this machine's own disk, and for btrfs one in an image.
 */

import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { ControllerCalls, NodeCalls } from '#messages/csi';
import { DriverProcess } from '../csi/driver-process.ts';
import { creation, MIB, staging } from '../csi/requests.ts';
import { StorageWorld } from '../csi/world.ts';
import { freshNetns } from '../testing/netns.ts';
import { type Figure, median } from './figure.ts';

/** Each round's every job, in seconds. */
const SECONDS = 2;
const FILE = '256M';

interface Job {
  readonly name: string;
  readonly flags: readonly string[];
  readonly reads?: true;
  /** How many times a plain directory's time an image may take. */
  readonly image: number;
}

const JOBS: readonly Job[] = [
  { name: '1 MiB written in a row', flags: ['--rw=write', '--bs=1M', '--direct=1'], image: 1 / 0.9 },
  { name: '1 MiB read in a row', flags: ['--rw=read', '--bs=1M', '--direct=1'], reads: true, image: 1 / 0.9 },
  {
    name: '4 KiB read anywhere, 32 at a time',
    flags: ['--rw=randread', '--bs=4k', '--direct=1', '--ioengine=libaio', '--iodepth=32'],
    reads: true,
    image: 1 / 0.9,
  },
  {
    name: '4 KiB read anywhere, one at a time',
    flags: ['--rw=randread', '--bs=4k', '--direct=1'],
    reads: true,
    image: 1 / 0.8,
  },
  {
    name: '4 KiB written anywhere, and fdatasync',
    flags: ['--rw=randwrite', '--bs=4k', '--fdatasync=1'],
    image: 1 / 0.5,
  },
  {
    name: '4 KiB appended, and fsync',
    flags: ['--rw=write', '--bs=4k', '--fsync=1', '--fallocate=none', '--filename=append'],
    image: 1 / 0.25,
  },
];

/** What is without an image, or a second journal, is to cost next to nothing. */
const NOTHING = 1.03;

/** @param rounds of each job on each side */
export async function benchCsiIo(executable: string, rounds: number): Promise<Figure[]> {
  if (Bun.which('fio') === null) {
    process.stderr.write('no figures of volumes: fio is missing\n');
    return [];
  }
  if (!freshNetns()) return [];
  using world = new StorageWorld();
  const disk = `${world.path}/disk`;
  mkdirSync(disk);
  const btrfs = world.addPool('btrfs', 'btrfs', 4096 * MIB);
  await using driver = new DriverProcess({
    directory: `${world.path}/driver`,
    pools: [`disk=${disk}/pool`, `btrfs=${btrfs}/pool`],
    program: [executable],
    flags: ['--log-level=info'],
  });
  await driver.start();
  const side = async (backend: string, pool: string): Promise<Side> => {
    const name = `io-${backend}`;
    const path = `${world.path}/kubelet/${name}`;
    await driver.channel.unary(
      ControllerCalls.createVolume,
      creation(name, { mib: 1024, parameters: { backend, pool } }),
    );
    await driver.channel.unary(NodeCalls.nodeStageVolume, staging(name, path));
    return { name: backend, path, limit: (job) => (backend === 'loop' ? job.image : NOTHING) };
  };
  const plain = (path: string): string => {
    mkdirSync(`${path}/plain`);
    return `${path}/plain`;
  };
  const figures = [
    ...compare(plain(disk), [await side('loop', 'disk'), await side('directory', 'disk')], rounds),
    ...compare(plain(btrfs), [await side('btrfs', 'btrfs')], rounds),
  ];
  for (const backend of ['loop', 'directory', 'btrfs']) {
    const volumeId = `io-${backend}`;
    const stagingTargetPath = `${world.path}/kubelet/${volumeId}`;
    await driver.channel.unary(NodeCalls.nodeUnstageVolume, { volumeId, stagingTargetPath });
    await driver.channel.unary(ControllerCalls.deleteVolume, { volumeId });
  }
  return figures;
}

interface Side {
  readonly name: string;
  readonly path: string;
  readonly limit: (job: Job) => number;
}

function compare(plain: string, sides: readonly Side[], rounds: number): Figure[] {
  return JOBS.flatMap((job) => {
    const times = new Map<string, number[]>(
      [plain, ...sides.map(({ path }) => path)].map((path) => [path, []]),
    );
    for (let round = 0; round < rounds; round++)
      for (const [path, all] of times) all.push(operationMs(path, job));
    const peer = median(times.get(plain) ?? []);
    return sides.map((side) => ({
      name: `${side.name}: ${job.name}`,
      ours: median(times.get(side.path) ?? []),
      peer,
      budget: Number((peer * side.limit(job)).toPrecision(3)),
      rounds,
    }));
  });
}

/** Milliseconds an operation. */
function operationMs(directory: string, { name, flags, reads }: Job): number {
  const isAppend = flags.includes('--filename=append');
  if (isAppend) rmSync(`${directory}/append`, { force: true });
  const args = [
    ...[
      '--name=job',
      '--output-format=json',
      `--directory=${directory}`,
      `--size=${FILE}`,
      `--runtime=${SECONDS}`,
    ],
    ...(isAppend ? [] : ['--time_based', '--filename=file', '--overwrite=1']),
    ...flags,
  ];
  const { status, stdout, stderr } = spawnSync('fio', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`fio, ${name}: ${stderr}`);
  const { jobs } = JSON.parse(stdout) as { jobs: { read: { iops: number }; write: { iops: number } }[] };
  const iops = jobs[0]?.[reads ? 'read' : 'write'].iops ?? 0;
  if (!(iops > 0)) throw new Error(`fio, ${name}: no operation in ${SECONDS} s`);
  return 1000 / iops;
}
