/** Ids, names, paths and pools of those who mean harm: nothing outside of a volume is ever touched. */

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ControllerCalls, NodeCalls } from '#messages/csi';
import { readMounts } from '../../shared/sys/mounts.ts';
import { freshNetns, run } from '../testing/netns.ts';
import { InProcessDriver } from './in-process.ts';
import { creation, publishing, staging } from './requests.ts';
import { StorageWorld } from './world.ts';

const HOSTILE = [
  ...[
    '..',
    '.',
    '../x',
    '../../x',
    '../../../driver/precious',
    '/etc',
    'a/b',
    'a/../../b',
    'volumes',
    'x/',
    ' ',
    '~',
  ],
  ...[
    '%2e%2e%2f',
    '..\\..',
    '$(id)',
    '`id`',
    ';id',
    '-rf',
    '*',
    'x'.repeat(128),
    'ä',
    '\u202e',
    'pvc-1/../pvc-2',
  ],
];

const isMounted = (path: string): boolean => readMounts().some(({ target }) => target === path);

describe.skipIf(!freshNetns())('hostile', () => {
  let world: StorageWorld;
  let pool: string;
  let driver: InProcessDriver;
  const open = (): Promise<InProcessDriver> =>
    InProcessDriver.open({ default: pool }, `${world.path}/driver`);

  beforeEach(async () => {
    world = new StorageWorld();
    pool = world.addPool('pool', 'xfs', 2 * 1024 ** 3);
    driver = await open();
  });
  afterEach(() => world[Symbol.dispose]());

  /** Everything in the world that is not in the pool, with what it holds. */
  const outside = (): Record<string, string> =>
    Object.fromEntries(
      run('find', world.path, '-xdev', '-type', 'f', '!', '-name', '*.img', '!', '-path', `${pool}/*`)
        .split('\n')
        .filter((path) => path !== '')
        .map((path) => [path, readFileSync(path, 'latin1')]),
    );

  test('names of volumes and snapshots become directories of the pool and nothing else', async () => {
    writeFileSync(`${world.path}/precious.json`, 'x');
    const before = outside();
    const { volume } = await driver.call(ControllerCalls.createVolume, creation('source', { mib: 16 }));
    for (const name of HOSTILE) {
      const made = await driver.call(ControllerCalls.createVolume, creation(name, { mib: 16 }));
      const id = made.volume?.volumeId ?? '';
      expect(readdirSync(`${pool}/volumes`)).toContain(id);
      const taken = { name, sourceVolumeId: volume?.volumeId ?? '' };
      const { snapshot } = await driver.call(ControllerCalls.createSnapshot, taken);
      expect(readdirSync(`${pool}/snapshots`)).toContain(snapshot?.snapshotId);
      await driver.call(ControllerCalls.deleteSnapshot, { snapshotId: snapshot?.snapshotId ?? '' });
      await driver.call(ControllerCalls.deleteVolume, { volumeId: id });
    }
    expect(readdirSync(`${pool}/volumes`)).toEqual(['source']);
    expect(readdirSync(`${pool}/snapshots`)).toEqual([]);
    expect(outside()).toEqual(before);
    expect(readdirSync(pool).sort()).toEqual(['snapshots', 'volumes']);
  });

  test('ids that nobody gave are not found, and deleting them is nothing', async () => {
    mkdirSync(`${world.path}/driver/precious`);
    for (const file of [
      'driver/x.json',
      'driver/precious.json',
      'x.json',
      'driver/state/x.json',
      'driver/precious/disk.img',
    ])
      writeFileSync(`${world.path}/${file}`, '{}');
    const before = outside();
    const path = `${world.path}/kubelet/target`;
    for (const volumeId of HOSTILE) {
      const ask = [
        driver.code(ControllerCalls.deleteVolume, { volumeId }),
        driver.code(ControllerCalls.deleteSnapshot, { snapshotId: volumeId }),
        driver.code(NodeCalls.nodeUnpublishVolume, { volumeId, targetPath: path }),
        driver.code(NodeCalls.nodeUnstageVolume, { volumeId, stagingTargetPath: path }),
      ];
      expect([volumeId, await Promise.all(ask)]).toEqual([volumeId, ['OK', 'OK', 'OK', 'OK']]);
      const unknown = [
        driver.code(NodeCalls.nodeStageVolume, staging(volumeId, path)),
        driver.code(NodeCalls.nodePublishVolume, publishing(volumeId, path, `${path}2`)),
        driver.code(NodeCalls.nodeGetVolumeStats, { volumeId, volumePath: path }),
        driver.code(NodeCalls.nodeExpandVolume, { volumeId, volumePath: path }),
        driver.code(ControllerCalls.controllerExpandVolume, {
          volumeId,
          capacityRange: { requiredBytes: 1n },
        }),
        driver.code(ControllerCalls.createSnapshot, { name: 's', sourceVolumeId: volumeId }),
        driver.code(ControllerCalls.controllerGetVolume, { volumeId }),
      ];
      expect(new Set(await Promise.all(unknown))).toEqual(new Set(['NOT_FOUND']));
    }
    expect(outside()).toEqual(before);
    expect(existsSync(path)).toBe(false);
  });

  test('what is unpublished is a mount or an empty place: never a file with something in it', async () => {
    const file = `${world.path}/kubelet/file`;
    const directory = `${world.path}/kubelet/directory`;
    writeFileSync(file, 'precious');
    mkdirSync(directory);
    writeFileSync(`${directory}/file`, 'precious');
    for (const targetPath of [file, directory])
      expect(await driver.code(NodeCalls.nodeUnpublishVolume, { volumeId: 'pvc-1', targetPath })).toBe(
        'FAILED_PRECONDITION',
      );
    expect(readFileSync(file, 'utf8') + readFileSync(`${directory}/file`, 'utf8')).toBe('preciousprecious');
  });

  test('what is mounted and no volume stays mounted', async () => {
    const path = `${world.path}/kubelet/foreign`;
    mkdirSync(path);
    run('mount', '-t', 'tmpfs', 'foreign', path);
    await driver.call(ControllerCalls.createVolume, creation('pvc-1'));
    for (const volumeId of ['pvc-1', 'pvc-unknown'])
      for (const call of [
        driver.code(NodeCalls.nodeUnpublishVolume, { volumeId, targetPath: path }),
        driver.code(NodeCalls.nodeUnstageVolume, { volumeId, stagingTargetPath: path }),
        driver.code(NodeCalls.nodeUnpublishVolume, { volumeId, targetPath: '/proc' }),
      ])
        expect(await call).toBe('FAILED_PRECONDITION');
    expect([isMounted(path), isMounted('/proc')]).toEqual([true, true]);
  });

  test('a volume is not published, or staged, where another one is', async () => {
    const [stageA, stageB, target] = ['a', 'b', 't'].map((name) => `${world.path}/kubelet/${name}`) as [
      string,
      string,
      string,
    ];
    for (const id of ['pvc-a', 'pvc-b']) await driver.call(ControllerCalls.createVolume, creation(id));
    await driver.call(NodeCalls.nodeStageVolume, staging('pvc-a', stageA));
    expect(await driver.code(NodeCalls.nodeStageVolume, staging('pvc-b', stageA))).not.toBe('OK');
    await driver.call(NodeCalls.nodeStageVolume, staging('pvc-b', stageB));
    await driver.call(NodeCalls.nodePublishVolume, publishing('pvc-a', stageA, target));
    writeFileSync(`${target}/file`, 'of a');
    expect(await driver.code(NodeCalls.nodePublishVolume, publishing('pvc-b', stageB, target))).not.toBe(
      'OK',
    );
    // And what was refused is nobody's use.
    await driver.call(NodeCalls.nodeUnstageVolume, { volumeId: 'pvc-b', stagingTargetPath: stageB });
    await driver.call(ControllerCalls.deleteVolume, { volumeId: 'pvc-b' });
    expect(readFileSync(`${target}/file`, 'utf8')).toBe('of a');
    // Who asks for the end of the one that was refused does not end the other.
    await driver.code(NodeCalls.nodeUnpublishVolume, { volumeId: 'pvc-b', targetPath: target });
    expect(isMounted(target)).toBe(true);
  });

  test('a call that was refused keeps nobody from deleting the volume', async () => {
    await driver.call(ControllerCalls.createVolume, creation('pvc-1'));
    const [stage, target] = [`${world.path}/kubelet/stage`, `${world.path}/kubelet/target`];
    expect(await driver.code(NodeCalls.nodePublishVolume, publishing('pvc-1', stage, target))).toBe(
      'FAILED_PRECONDITION',
    );
    const unknown = {
      ...staging('pvc-1', stage),
      volumeCapability: { mount: { mountFlags: ['nouuid'] }, accessMode: { mode: 1 } },
    };
    expect(await driver.code(NodeCalls.nodeStageVolume, unknown)).toBe('INVALID_ARGUMENT');
    writeFileSync(stage, 'a file in the way');
    expect(await driver.code(NodeCalls.nodeStageVolume, staging('pvc-1', stage))).not.toBe('OK');
    rmSync(stage);
    expect(await driver.code(ControllerCalls.deleteVolume, { volumeId: 'pvc-1' })).toBe('OK');
  });

  test('unstaged at another path it is still staged, and is not deleted', async () => {
    const stage = `${world.path}/kubelet/stage`;
    await driver.call(ControllerCalls.createVolume, creation('pvc-1'));
    await driver.call(NodeCalls.nodeStageVolume, staging('pvc-1', stage));
    writeFileSync(`${stage}/file`, 'precious');
    await driver.code(NodeCalls.nodeUnstageVolume, { volumeId: 'pvc-1', stagingTargetPath: `${stage}2` });
    expect(await driver.code(ControllerCalls.deleteVolume, { volumeId: 'pvc-1' })).toBe(
      'FAILED_PRECONDITION',
    );
    expect(readFileSync(`${stage}/file`, 'utf8')).toBe('precious');
    await driver.call(NodeCalls.nodeUnstageVolume, { volumeId: 'pvc-1', stagingTargetPath: stage });
    await driver.call(ControllerCalls.deleteVolume, { volumeId: 'pvc-1' });
    expect(world.remnants()).toEqual([]);
  });

  test.each(['loop', 'directory'])(
    'a driver that lost its state deletes nothing that is mounted (%s)',
    async (backend) => {
      const stage = `${world.path}/kubelet/stage`;
      await driver.call(ControllerCalls.createVolume, creation('pvc-1', { parameters: { backend } }));
      await driver.call(NodeCalls.nodeStageVolume, staging('pvc-1', stage));
      writeFileSync(`${stage}/file`, 'precious');
      rmSync(`${world.path}/driver/state`, { recursive: true });
      driver = await open();
      expect(await driver.code(ControllerCalls.deleteVolume, { volumeId: 'pvc-1' })).toBe(
        'FAILED_PRECONDITION',
      );
      expect(readFileSync(`${stage}/file`, 'utf8')).toBe('precious');
      // The kubelet goes on as always.
      await driver.call(NodeCalls.nodeUnstageVolume, { volumeId: 'pvc-1', stagingTargetPath: stage });
      await driver.call(ControllerCalls.deleteVolume, { volumeId: 'pvc-1' });
      expect(world.remnants()).toEqual([]);
    },
  );

  test('an inline volume does not take over one that was provisioned', async () => {
    await driver.call(ControllerCalls.createVolume, creation('csi-1'));
    const target = `${world.path}/kubelet/target`;
    const volumeContext = { 'csi.storage.k8s.io/ephemeral': 'true', size: '64Mi' };
    const request = { ...publishing('csi-1', '', target), volumeContext };
    expect(await driver.code(NodeCalls.nodePublishVolume, request)).not.toBe('OK');
    await driver.code(NodeCalls.nodeUnpublishVolume, { volumeId: 'csi-1', targetPath: target });
    expect(await driver.code(ControllerCalls.controllerGetVolume, { volumeId: 'csi-1' })).toBe('OK');
  });

  test.each(['loop', 'directory'])(
    'links in the place of a volume are not followed (%s)',
    async (backend) => {
      const away = `${world.path}/away`;
      await driver.call(ControllerCalls.createVolume, creation('pvc-1', { parameters: { backend } }));
      // As somebody leaves it who had the pool in another machine: a whole volume, but elsewhere.
      renameSync(`${pool}/volumes/pvc-1`, `${pool}/moved`);
      run('cp', '-a', `${pool}/moved`, away);
      rmSync(`${pool}/moved`, { recursive: true });
      symlinkSync(away, `${pool}/volumes/pvc-1`);
      symlinkSync(away, `${pool}/snapshots/pvc-1`);
      symlinkSync(`${world.path}/nowhere`, `${pool}/volumes/pvc-2`);
      symlinkSync(world.path, `${pool}/volumes/pvc-3`);
      const before = outside();
      // While it runs, and after a start.
      for (let round = 0; round < 2; round++) {
        for (const id of ['pvc-1', 'pvc-2', 'pvc-3']) {
          await driver.code(ControllerCalls.createVolume, creation(id, { parameters: { backend } }));
          await driver.code(NodeCalls.nodeStageVolume, staging(id, `${world.path}/kubelet/stage-${id}`));
          await driver.code(NodeCalls.nodeUnstageVolume, {
            volumeId: id,
            stagingTargetPath: `${world.path}/kubelet/stage-${id}`,
          });
          await driver.code(ControllerCalls.deleteVolume, { volumeId: id });
          await driver.code(ControllerCalls.deleteSnapshot, { snapshotId: id });
        }
        driver = await open();
      }
      expect(existsSync(`${world.path}/nowhere`)).toBe(false);
      expect(Object.keys(outside()).filter((path) => !path.includes('/kubelet/'))).toEqual(
        Object.keys(before),
      );
      expect(outside()).toMatchObject(before);
    },
  );

  test.each(['volumes', 'snapshots'])('a pool whose %s is a link is none', async (name) => {
    const away = `${world.path}/away`;
    mkdirSync(away);
    rmSync(`${pool}/${name}`, { recursive: true });
    symlinkSync(away, `${pool}/${name}`);
    await expect(open()).rejects.toThrow();
    expect(readdirSync(away)).toEqual([]);
  });

  test("links in a volume's place, where its data would be, are not followed", async () => {
    const precious = `${world.path}/precious`;
    writeFileSync(precious, 'x'.repeat(8192));
    for (const [n, name] of ['disk.img', 'disk.new', 'grow', 'data', 'data.new', 'volume.json'].entries())
      for (const backend of ['loop', 'directory']) {
        const id = `pvc-${backend}-${n}`;
        mkdirSync(`${pool}/volumes/${id}`);
        symlinkSync(
          name.startsWith('data') ? `${world.path}/kubelet` : precious,
          `${pool}/volumes/${id}/${name}`,
        );
        await driver.code(ControllerCalls.createVolume, creation(id, { parameters: { backend } }));
        await driver.code(NodeCalls.nodeStageVolume, staging(id, `${world.path}/stage`));
        await driver.code(ControllerCalls.controllerExpandVolume, {
          volumeId: id,
          capacityRange: { requiredBytes: 96n << 20n },
        });
        await driver.code(NodeCalls.nodeUnstageVolume, {
          volumeId: id,
          stagingTargetPath: `${world.path}/stage`,
        });
        await driver.code(ControllerCalls.deleteVolume, { volumeId: id });
        expect([id, name, readFileSync(precious, 'utf8').length]).toEqual([id, name, 8192]);
        expect(readdirSync(`${world.path}/kubelet`)).toEqual([]);
      }
  });

  test('a path that leads through a link is mounted where it leads, and taken away there', async () => {
    const real = `${world.path}/kubelet/real`;
    mkdirSync(real);
    symlinkSync(real, `${world.path}/kubelet/link`);
    await driver.call(ControllerCalls.createVolume, creation('pvc-1'));
    const stage = `${world.path}/kubelet/link/stage`;
    await driver.call(NodeCalls.nodeStageVolume, staging('pvc-1', stage));
    expect(isMounted(realpathSync(stage))).toBe(true);
    await driver.call(NodeCalls.nodeStageVolume, staging('pvc-1', stage));
    expect(readMounts().filter(({ target }) => target.startsWith(real))).toHaveLength(1);
    const target = `${world.path}/kubelet/link/target`;
    await driver.call(NodeCalls.nodePublishVolume, publishing('pvc-1', stage, target));
    await driver.call(NodeCalls.nodePublishVolume, publishing('pvc-1', stage, target));
    await driver.call(NodeCalls.nodeUnpublishVolume, { volumeId: 'pvc-1', targetPath: target });
    await driver.call(NodeCalls.nodeUnstageVolume, { volumeId: 'pvc-1', stagingTargetPath: stage });
    await driver.call(ControllerCalls.deleteVolume, { volumeId: 'pvc-1' });
    expect(world.remnants()).toEqual([]);
  });
});
