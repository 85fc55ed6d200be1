/** Many calls at once, and pools that are full: what was promised is kept, and nobody notices his neighbour. */

import { createHash, randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ControllerCalls, NodeCalls } from '#messages/csi';
import { isRpcError } from '../../shared/grpc/error.ts';
import { statfs } from '../../shared/sys/stat.ts';
import { freshNetns } from '../testing/netns.ts';
import { slowness } from '../testing/slowness.ts';
import { DriverProcess } from './driver-process.ts';
import { creation, MIB, mountable, publishing, staging } from './requests.ts';
import { StorageWorld } from './world.ts';

const LIMIT = 120_000 * slowness;

/** The codes of many calls, with how often each. */
async function codes(calls: readonly Promise<unknown>[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const outcome of await Promise.allSettled(calls)) {
    const error: unknown = outcome.status === 'rejected' ? outcome.reason : undefined;
    const code = error === undefined ? 'OK' : isRpcError(error) ? error.code : String(error);
    counts[code] = (counts[code] ?? 0) + 1;
  }
  return counts;
}

describe.skipIf(!freshNetns())('at the same time', () => {
  test.each([
    ['thick images', 'ext4', [{ backend: 'loop' }]],
    ['thin images', 'xfs', [{ backend: 'loop', provisioning: 'thin' }]],
    ['subvolumes', 'btrfs', [{ backend: 'btrfs' }]],
    [
      'all of them',
      'btrfs',
      [{ backend: 'loop' }, { backend: 'loop', provisioning: 'thin' }, { backend: 'btrfs' }],
    ],
  ] as const)(
    '32 volumes are asked for, and as many are made as there is room for: %s',
    async (_name, kind, classes) => {
      using world = new StorageWorld();
      const pool = world.addPool('pool', kind, 4096 * MIB);
      await using driver = new DriverProcess({
        directory: `${world.path}/driver`,
        pools: [`default=${pool}`],
      });
      await driver.start();
      const { channel } = driver;
      const size = 256;
      const before = Number((await channel.unary(ControllerCalls.getCapacity, {})).availableCapacity);
      const room = Math.floor(before / (size * MIB));
      expect(room).toBeGreaterThan(8);
      const wish = (n: number): object => ({ mib: size, parameters: classes[n % classes.length] });
      const calls = Array.from({ length: 32 }, (_, n) =>
        channel.unary(ControllerCalls.createVolume, creation(`pvc-${n}`, wish(n)), { timeoutMs: 60_000 }),
      );
      const { OK = 0, ...refused } = await codes(calls);
      // The pool's own needs for a file may cost one volume.
      // btrfs finds more room once it has divided its disk between data and what describes it.
      expect(OK).toBeLessThanOrEqual(kind === 'btrfs' ? room + 1 : room);
      expect(OK).toBeGreaterThanOrEqual(room - 1);
      expect(refused).toEqual({ RESOURCE_EXHAUSTED: 32 - OK });
      const { entries } = await channel.unary(ControllerCalls.listVolumes, {});
      const promised = entries.reduce((sum, { volume }) => sum + Number(volume?.capacityBytes ?? 0n), 0);
      expect(promised).toBe(OK * size * MIB);
      expect(promised).toBeLessThanOrEqual(statfs(pool).size * 0.95);
      const left = Number((await channel.unary(ControllerCalls.getCapacity, {})).availableCapacity);
      expect(left).toBeLessThan(2 * size * MIB);
      // Those that grow are held to the same.
      const growth = entries.map(({ volume }) =>
        channel.unary(ControllerCalls.controllerExpandVolume, {
          volumeId: volume?.volumeId ?? '',
          capacityRange: { requiredBytes: BigInt(2 * size * MIB) },
        }),
      );
      const grown = await codes(growth);
      expect(grown['OK'] ?? 0).toBeLessThanOrEqual(1);
      const gone = entries.map(({ volume }) =>
        channel.unary(ControllerCalls.deleteVolume, { volumeId: volume?.volumeId ?? '' }),
      );
      expect(await codes(gone)).toEqual({ OK });
      expect(world.remnants()).toEqual([]);
      const after = Number((await channel.unary(ControllerCalls.getCapacity, {})).availableCapacity);
      expect(Math.floor(after / (size * MIB))).toBeGreaterThanOrEqual(room - 1);
    },
    LIMIT,
  );

  test(
    'two pools on one file system promise its room once',
    async () => {
      using world = new StorageWorld();
      const pool = world.addPool('pool', 'xfs', 4096 * MIB);
      for (const name of ['a', 'b']) mkdirSync(`${pool}/${name}`);
      const pools = ['a', 'b'].map((name) => `${name}=${pool}/${name}`);
      await using driver = new DriverProcess({ directory: `${world.path}/driver`, pools });
      await driver.start();
      const calls = Array.from({ length: 32 }, (_, n) =>
        driver.channel.unary(
          ControllerCalls.createVolume,
          creation(`pvc-${n}`, {
            mib: 256,
            parameters: { pool: n % 2 ? 'a' : 'b', provisioning: n % 4 < 2 ? 'thin' : 'thick' },
          }),
          { timeoutMs: 60_000 },
        ),
      );
      const { OK = 0 } = await codes(calls);
      expect(OK * 256 * MIB).toBeLessThanOrEqual(statfs(pool).size * 0.95);
    },
    LIMIT,
  );

  test(
    'a name asked for many times at once is one volume',
    async () => {
      using world = new StorageWorld();
      const pool = world.addPool('pool', 'xfs', 2048 * MIB);
      await using driver = new DriverProcess({
        directory: `${world.path}/driver`,
        pools: [`default=${pool}`],
      });
      await driver.start();
      const calls = Array.from({ length: 16 }, () =>
        driver.channel.unary(ControllerCalls.createVolume, creation('pvc-1')),
      );
      expect(new Set((await Promise.all(calls)).map(({ volume }) => volume?.volumeId))).toEqual(
        new Set(['pvc-1']),
      );
      const mixed = Array.from({ length: 16 }, (_, n) =>
        n % 2
          ? driver.channel.unary(ControllerCalls.deleteVolume, { volumeId: 'pvc-1' })
          : driver.channel.unary(ControllerCalls.createVolume, creation('pvc-1')),
      );
      expect(await codes(mixed)).toEqual({ OK: 16 });
      await driver.channel.unary(ControllerCalls.deleteVolume, { volumeId: 'pvc-1' });
      expect(world.remnants()).toEqual([]);
    },
    LIMIT,
  );

  test(
    '200 volumes from beginning to end, 16 at a time',
    async () => {
      using world = new StorageWorld();
      const pool = world.addPool('pool', 'xfs', 40 * 1024 * MIB);
      await using driver = new DriverProcess({
        directory: `${world.path}/driver`,
        pools: [`default=${pool}`],
      });
      await driver.start();
      const { channel } = driver;
      const cycle = async (n: number): Promise<void> => {
        const id = `pvc-${n}`;
        const [stage, target] = [`${world.path}/kubelet/stage-${n}`, `${world.path}/kubelet/target-${n}`];
        const capability = mountable('SINGLE_NODE_WRITER', ['ext4', 'xfs'][n % 2]);
        const options = { timeoutMs: 60_000 };
        await channel.unary(ControllerCalls.createVolume, creation(id, { mib: 1024, capability }), options);
        await channel.unary(NodeCalls.nodeStageVolume, staging(id, stage, capability), options);
        await channel.unary(NodeCalls.nodePublishVolume, publishing(id, stage, target, capability), options);
        writeFileSync(`${target}/file`, id);
        expect(readFileSync(`${stage}/file`, 'utf8')).toBe(id);
        await channel.unary(NodeCalls.nodeUnpublishVolume, { volumeId: id, targetPath: target }, options);
        await channel.unary(NodeCalls.nodeUnstageVolume, { volumeId: id, stagingTargetPath: stage }, options);
        await channel.unary(ControllerCalls.deleteVolume, { volumeId: id }, options);
      };
      let next = 0;
      const worker = async (): Promise<void> => {
        while (next < 200) await cycle(next++);
      };
      await Promise.all(Array.from({ length: 16 }, worker));
      // A stage is the kubelet's directory.
      expect(world.remnants()).toEqual([]);
    },
    LIMIT,
  );

  test.each([
    ['loop', 'xfs', 'ext4'],
    ['loop', 'ext4', 'xfs'],
    ['btrfs', 'btrfs', ''],
  ] as const)(
    'a volume that is full leaves the others alone (%s on %s)',
    async (backend, kind, fsType) => {
      using world = new StorageWorld();
      const pool = world.addPool('pool', kind, 2048 * MIB);
      await using driver = new DriverProcess({
        directory: `${world.path}/driver`,
        pools: [`default=${pool}`],
      });
      await driver.start();
      const { channel } = driver;
      const capability = mountable('SINGLE_NODE_WRITER', fsType);
      const stage = (id: string): string => `${world.path}/kubelet/${id}`;
      for (const id of ['pvc-a', 'pvc-b', 'pvc-c']) {
        const wish = { mib: 384, capability, parameters: { backend } };
        await channel.unary(ControllerCalls.createVolume, creation(id, wish));
        await channel.unary(NodeCalls.nodeStageVolume, staging(id, stage(id), capability));
      }
      const precious = randomBytes(16 * MIB);
      writeFileSync(`${stage('pvc-b')}/file`, precious);
      const fill = (id: string): { code: string; bytes: number } => {
        const fd = openSync(`${stage(id)}/filling`, 'w');
        const piece = randomBytes(4 * MIB);
        let bytes = 0;
        try {
          for (; bytes < 2048 * MIB; ) {
            bytes += writeSync(fd, piece);
            if (bytes % (64 * MIB) === 0) fsyncSync(fd);
          }
          return { code: 'none', bytes };
        } catch (error) {
          return { code: (error as NodeJS.ErrnoException).code ?? '', bytes };
        } finally {
          closeSync(fd);
        }
      };
      const full = fill('pvc-a');
      expect(full.code).toBe(backend === 'btrfs' ? 'EDQUOT' : 'ENOSPC');
      expect(full.bytes).toBeLessThanOrEqual(384 * MIB);
      expect(full.bytes).toBeGreaterThan(256 * MIB);
      // The neighbours have all that they were promised.
      writeFileSync(`${stage('pvc-b')}/more`, randomBytes(128 * MIB));
      expect(fill('pvc-c').bytes).toBeGreaterThan(256 * MIB);
      const sum = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
      expect(sum(readFileSync(`${stage('pvc-b')}/file`))).toBe(sum(precious));
      const stats = await channel.unary(NodeCalls.nodeGetVolumeStats, {
        volumeId: 'pvc-b',
        volumePath: stage('pvc-b'),
      });
      expect(stats.volumeCondition?.abnormal).toBe(false);
      for (const id of ['pvc-a', 'pvc-b', 'pvc-c']) {
        await channel.unary(NodeCalls.nodeUnstageVolume, { volumeId: id, stagingTargetPath: stage(id) });
        await channel.unary(ControllerCalls.deleteVolume, { volumeId: id });
      }
      expect(world.remnants()).toEqual([]);
    },
    LIMIT,
  );
});
