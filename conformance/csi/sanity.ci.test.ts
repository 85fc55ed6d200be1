/**
 * csi-sanity against `underpod csi local`, on real file systems and devices: every specification of every capability that is
 * advertised, once for each backend and access type. None is left out by name.
 */

import { existsSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  ControllerCalls,
  ControllerRpcType,
  GroupControllerCalls,
  GroupControllerRpcType,
  IdentityCalls,
  NodeCalls,
  NodeRpcType,
} from '#messages/csi';
import { BACKENDS, type BackendName } from '../../csi/local/backends/backend.ts';
import { growsMounted } from '../../csi/local/backends/filesystem.ts';
import { backends } from '../../csi/local/backends/registry.ts';
import { freshNetns } from '../testing/netns.ts';
import { slowness } from '../testing/slowness.ts';
import { DriverProcess } from './driver-process.ts';
import { csiSanity, sanityMissing } from './programs.ts';
import { type PoolKind, StorageWorld } from './world.ts';

const MIB = 1024 ** 2;
const missing = sanityMissing();
if (missing !== undefined) process.stderr.write(`skipped: csi-sanity: ${missing}\n`);

interface Case {
  readonly backend: BackendName;
  readonly pool: PoolKind;
  readonly access: 'mount' | 'block';
  readonly fsType?: string;
}

const cases: readonly Case[] = [
  { backend: 'loop', pool: 'xfs', access: 'mount', fsType: 'ext4' },
  { backend: 'loop', pool: 'ext4', access: 'mount', fsType: 'xfs' },
  { backend: 'loop', pool: 'xfs', access: 'mount', fsType: 'btrfs' },
  { backend: 'loop', pool: 'xfs', access: 'block' },
  { backend: 'directory', pool: 'ext4', access: 'mount' },
  { backend: 'btrfs', pool: 'btrfs', access: 'mount' },
  { backend: 'quota', pool: 'quota', access: 'mount' },
];

/** How csi-sanity ended, and what it said. */
interface Outcome {
  readonly code: number;
  readonly output: string;
  readonly passed: number;
  /** By name. */
  readonly failures: readonly string[];
  /** Why, each once. */
  readonly skipped: readonly string[];
}

/** What no local volume needs, or what has come with a later specification. */
const NOT_ADVERTISED = [
  'ControllerPublishVolume not supported',
  'Controller Publish, UnpublishVolume not supported',
  'ControllerUnpublishVolume not supported',
  'SNAPSHOT_ACCESSIBILITY_CONSTRAINTS not supported',
  ...[
    'ControllerListVolumeHealth',
    'ControllerGetVolumeHealth',
    'NodeGetVolumeHealth',
    'NodeGetStorageHealth',
  ].map((name) => `${name} not supported`),
];

/** The kernel allows that of ext4 only to those who have CAP_SYS_RESOURCE. */
const GROWS_IN_USE =
  'Node Service NodeExpandVolume [It] should work if node-expand is called after node-publish';

async function sanity(world: StorageWorld, driver: DriverProcess, each: Case): Promise<Outcome> {
  const parameters = `${world.path}/parameters.yaml`;
  const fsType = each.fsType && `csi.storage.k8s.io/fstype: ${each.fsType}\n`;
  writeFileSync(parameters, `backend: ${each.backend}\n${fsType ?? ''}`);
  const mutable = `${world.path}/mutable.yaml`;
  writeFileSync(mutable, 'readIOPS: "1000"\nwriteBPS: "104857600"\n');
  const child = Bun.spawn(
    [
      csiSanity,
      `-csi.endpoint=unix://${driver.socket}`,
      `-csi.mountdir=${world.path}/kubelet/target`,
      `-csi.stagingdir=${world.path}/kubelet/staging`,
      `-csi.testvolumeparameters=${parameters}`,
      // Limits are of devices.
      ...(each.backend === 'loop' ? [`-csi.testvolumemutableparameters=${mutable}`] : []),
      `-csi.testvolumesize=${512 * MIB}`,
      `-csi.testvolumeexpandsize=${768 * MIB}`,
      `-csi.testvolumeaccesstype=${each.access}`,
      '--ginkgo.no-color',
      '--ginkgo.v',
    ],
    {
      cwd: world.path,
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      env: { PATH: process.env['PATH'] ?? '' },
    },
  );
  const output = (
    await Promise.all([child.stdout, child.stderr].map((each) => new Response(each).text()))
  ).join('');
  const code = await child.exited;
  const [, passed = '0'] = /(\d+) Passed \|/.exec(output) ?? [];
  const named = (mark: string): string[] =>
    [...output.matchAll(new RegExp(`^ *\\[${mark}\\] (.*)$`, 'gm'))].map(([, name = '']) => name);
  return {
    code,
    output,
    passed: Number(passed),
    failures: named('FAIL'),
    skipped: [...new Set(named('SKIPPED').filter((line) => !line.startsWith('in [')))],
  };
}

describe.skipIf(missing !== undefined || !freshNetns())('csi-sanity', () => {
  test('every backend has its turn', () => {
    expect(new Set(cases.map(({ backend }) => backend))).toEqual(new Set(BACKENDS));
  });

  test.each(cases)(
    '$backend on $pool: $access $fsType',
    async (each) => {
      using world = new StorageWorld();
      let pool: string;
      try {
        pool = world.addPool('pool', each.pool, 10 * 1024 * MIB);
      } catch (error) {
        if (each.pool !== 'quota') throw error;
        process.stderr.write(`skipped: csi-sanity of backend quota: ${String(error)}\n`);
        return;
      }
      const why = await backends()
        .find(({ name }) => name === each.backend)
        ?.check(pool);
      if (why !== undefined) {
        expect(each.backend).toBe('quota');
        process.stderr.write(`skipped: csi-sanity of backend quota: ${why}\n`);
        return;
      }
      await using driver = new DriverProcess({
        directory: `${world.path}/driver`,
        pools: [`default=${pool}`],
      });
      await driver.start();
      const outcome = await sanity(world, driver, each);
      const impossible = each.fsType === 'ext4' && !growsMounted('ext4') ? [GROWS_IN_USE] : [];
      if (impossible.length > 0)
        process.stderr.write(`not possible: ${impossible[0]} on ext4: the kernel wants CAP_SYS_RESOURCE\n`);
      if (outcome.failures.length > impossible.length) console.log(outcome.output.slice(-20_000));
      expect(outcome.failures).toEqual(impossible);
      expect(outcome.code).toBe(impossible.length > 0 ? 1 : 0);
      // What is not advertised, and nothing else, is left out.
      expect(outcome.skipped.filter((why) => !NOT_ADVERTISED.includes(why))).toEqual([]);
      expect(outcome.passed).toBeGreaterThanOrEqual(84);
      expect(world.remnants()).toEqual([]);
      expect(existsSync(`${world.path}/kubelet/target`)).toBe(false);
    },
    120_000 * slowness,
  );

  test('what is advertised', async () => {
    using world = new StorageWorld();
    const pool = world.addPool('pool', 'xfs', 1024 * MIB);
    await using driver = new DriverProcess({ directory: `${world.path}/driver`, pools: [`default=${pool}`] });
    await driver.start();
    const { channel } = driver;
    const named = (
      types: object,
      capabilities: readonly { readonly rpc?: { readonly type: number } }[],
    ): string[] => {
      const names = new Map(Object.entries(types).map(([name, value]) => [value as number, name]));
      return capabilities.map(({ rpc }) => names.get(rpc?.type ?? 0) ?? '');
    };
    const controller = await channel.unary(ControllerCalls.controllerGetCapabilities, {});
    expect(named(ControllerRpcType, controller.capabilities)).toEqual(
      expect.arrayContaining([
        'CREATE_DELETE_VOLUME',
        'LIST_VOLUMES',
        'GET_CAPACITY',
        'CREATE_DELETE_SNAPSHOT',
        'LIST_SNAPSHOTS',
        'CLONE_VOLUME',
        'EXPAND_VOLUME',
        'VOLUME_CONDITION',
        'SINGLE_NODE_MULTI_WRITER',
        'MODIFY_VOLUME',
      ]),
    );
    // It never attaches anything, and says so by silence.
    expect(named(ControllerRpcType, controller.capabilities)).not.toContain('PUBLISH_UNPUBLISH_VOLUME');
    const node = await channel.unary(NodeCalls.nodeGetCapabilities, {});
    expect(named(NodeRpcType, node.capabilities).sort()).toEqual([
      'EXPAND_VOLUME',
      'GET_VOLUME_STATS',
      'SINGLE_NODE_MULTI_WRITER',
      'STAGE_UNSTAGE_VOLUME',
      'VOLUME_CONDITION',
    ]);
    const groups = await channel.unary(GroupControllerCalls.groupControllerGetCapabilities, {});
    expect(named(GroupControllerRpcType, groups.capabilities)).toEqual([
      'CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT',
    ]);
    const plugin = await channel.unary(IdentityCalls.getPluginCapabilities, {});
    expect(plugin.capabilities).toHaveLength(4);
    const info = await channel.unary(NodeCalls.nodeGetInfo, {});
    expect([info.nodeId, info.accessibleTopology?.segments]).toEqual([
      'node-1',
      { 'local.underpod.io/node': 'node-1' },
    ]);
  });
});
