/** What the specification says of calls that are made again, otherwise, or at the wrong time. */

import { mkdirSync, readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ControllerCalls, NodeCalls } from '#messages/csi';
import { freshNetns } from '../testing/netns.ts';
import { InProcessDriver } from './in-process.ts';
import { block, creation, mountable, publishing, staging } from './requests.ts';
import { StorageWorld } from './world.ts';

describe.skipIf(!freshNetns())('calls', () => {
  let world: StorageWorld;
  let pool: string;
  let driver: InProcessDriver;
  const open = (): Promise<InProcessDriver> =>
    InProcessDriver.open({ a: `${pool}/a`, b: `${pool}/b` }, `${world.path}/driver`);

  beforeEach(async () => {
    world = new StorageWorld();
    pool = world.addPool('pool', 'xfs', 2 * 1024 ** 3);
    for (const name of ['a', 'b']) mkdirSync(`${pool}/${name}`);
    driver = await open();
  });
  afterEach(() => world[Symbol.dispose]());

  test('a name is one volume, in one pool, of one kind', async () => {
    const wish = { mib: 32 };
    await driver.call(ControllerCalls.createVolume, creation('pvc-1', wish));
    const ask = (other: object): Promise<string> =>
      driver.code(ControllerCalls.createVolume, creation('pvc-1', { ...wish, ...other }));
    expect(await ask({})).toBe('OK');
    for (const other of [
      { mib: 64 },
      { parameters: { pool: 'b' } },
      { parameters: { backend: 'directory' } },
      { parameters: { provisioning: 'thin' } },
      { capability: block },
      { capability: mountable('SINGLE_NODE_WRITER', 'xfs'), mib: 300 },
    ])
      expect([other, await ask(other)]).toEqual([other, 'ALREADY_EXISTS']);
    expect(readdirSync(`${pool}/b/volumes`)).toEqual([]);
    // And still so after a restart.
    driver = await open();
    expect([await ask({}), await ask({ parameters: { pool: 'b' } })]).toEqual(['OK', 'ALREADY_EXISTS']);
  });

  test('one writer alone, several of one node, and readers', async () => {
    const places = [1, 2].map((n) => `${world.path}/kubelet/target-${n}`) as [string, string];
    const stage = `${world.path}/kubelet/stage`;
    for (const [mode, second] of [
      ['SINGLE_NODE_SINGLE_WRITER', 'FAILED_PRECONDITION'],
      ['SINGLE_NODE_MULTI_WRITER', 'OK'],
      ['SINGLE_NODE_READER_ONLY', 'OK'],
    ] as const) {
      const capability = mountable(mode);
      await driver.call(ControllerCalls.createVolume, creation(mode.toLowerCase(), { mib: 32, capability }));
      const [volume] = (await driver.call(ControllerCalls.listVolumes, {})).entries;
      const volumeId = volume?.volume?.volumeId ?? '';
      await driver.call(NodeCalls.nodeStageVolume, staging(volumeId, stage, capability));
      const publish = (target: string, readonly = false): Promise<string> =>
        driver.code(NodeCalls.nodePublishVolume, {
          ...publishing(volumeId, stage, target, capability),
          readonly,
        });
      expect([mode, await publish(places[0])]).toEqual([mode, 'OK']);
      expect([mode, await publish(places[0])]).toEqual([mode, 'OK']);
      if (mode !== 'SINGLE_NODE_READER_ONLY')
        expect([mode, await publish(places[0], true)]).toEqual([mode, 'ALREADY_EXISTS']);
      expect([mode, await publish(places[1])]).toEqual([mode, second]);
      expect(await driver.code(NodeCalls.nodeUnstageVolume, { volumeId, stagingTargetPath: stage })).toBe(
        'FAILED_PRECONDITION',
      );
      expect(await driver.code(ControllerCalls.deleteVolume, { volumeId })).toBe('FAILED_PRECONDITION');
      for (const targetPath of places)
        await driver.call(NodeCalls.nodeUnpublishVolume, { volumeId, targetPath });
      await driver.call(NodeCalls.nodeUnstageVolume, { volumeId, stagingTargetPath: stage });
      await driver.call(ControllerCalls.deleteVolume, { volumeId });
    }
  });

  test('a device is a file at a pod, and goes as one', async () => {
    await driver.call(ControllerCalls.createVolume, creation('pvc-1', { mib: 16, capability: block }));
    const [stage, target] = [`${world.path}/kubelet/stage`, `${world.path}/kubelet/target`];
    await driver.call(NodeCalls.nodeStageVolume, staging('pvc-1', stage, block));
    await driver.call(NodeCalls.nodePublishVolume, publishing('pvc-1', stage, target, block));
    await driver.call(NodeCalls.nodePublishVolume, publishing('pvc-1', stage, target, block));
    // After a restart it is in use still.
    driver = await open();
    expect(await driver.code(ControllerCalls.deleteVolume, { volumeId: 'pvc-1' })).toBe(
      'FAILED_PRECONDITION',
    );
    await driver.call(NodeCalls.nodeUnpublishVolume, { volumeId: 'pvc-1', targetPath: target });
    await driver.call(NodeCalls.nodeUnstageVolume, { volumeId: 'pvc-1', stagingTargetPath: stage });
    await driver.call(ControllerCalls.deleteVolume, { volumeId: 'pvc-1' });
    expect(readdirSync(`${world.path}/kubelet`)).toEqual([]);
  });

  test('an inline volume lives as long as its pod', async () => {
    const target = `${world.path}/kubelet/target`;
    const volumeContext = {
      'csi.storage.k8s.io/ephemeral': 'true',
      size: '32Mi',
      'csi.storage.k8s.io/pod.uid': 'u-1',
    };
    const request = { ...publishing('csi-1', '', target), volumeContext };
    await driver.call(NodeCalls.nodePublishVolume, request);
    await driver.call(NodeCalls.nodePublishVolume, request);
    driver = await open();
    await driver.call(NodeCalls.nodePublishVolume, request);
    await driver.call(NodeCalls.nodeUnpublishVolume, { volumeId: 'csi-1', targetPath: target });
    await driver.call(NodeCalls.nodeUnpublishVolume, { volumeId: 'csi-1', targetPath: target });
    expect(readdirSync(`${pool}/a/volumes`)).toEqual([]);
    // One for which there is no room leaves nothing either.
    const huge = { ...request, volumeContext: { ...volumeContext, size: '100Gi' } };
    expect(await driver.code(NodeCalls.nodePublishVolume, huge)).toBe('RESOURCE_EXHAUSTED');
    expect(readdirSync(`${pool}/a/volumes`)).toEqual([]);
    expect(readdirSync(`${world.path}/kubelet`)).toEqual([]);
  });
});
