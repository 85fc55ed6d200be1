import { describe, expect, test } from 'vitest';
import {
  AccessModeMode,
  ControllerCalls,
  GroupControllerCalls,
  IdentityCalls,
  NodeCalls,
  type VolumeCapability,
} from '#messages/csi';
import { RpcError } from '../../shared/grpc/error.ts';
import { decode } from '../../shared/grpc/wire/decode.ts';
import { encode } from '../../shared/grpc/wire/encode.ts';
import type { Init, UnaryMethod } from '../../shared/grpc/wire/schema.ts';
import { validators } from './validate.ts';

type AnyMethod = UnaryMethod<object, object>;
type Name = keyof typeof validators;

const methods = { ...ControllerCalls, ...NodeCalls, ...GroupControllerCalls } as unknown as Record<
  string,
  AnyMethod
>;

const capability: Init<VolumeCapability> = {
  mount: { fsType: 'ext4' },
  accessMode: { mode: AccessModeMode.SINGLE_NODE_WRITER },
};
const one = { volumeId: 'v' };
const staged = { ...one, stagingTargetPath: '/stage', volumeCapability: capability };

/** The least that is a request, by call. */
const least: Readonly<Record<Name, object>> = {
  createVolume: { name: 'n', volumeCapabilities: [capability] },
  deleteVolume: one,
  controllerPublishVolume: { ...one, nodeId: 'n', volumeCapability: capability },
  controllerUnpublishVolume: one,
  validateVolumeCapabilities: { ...one, volumeCapabilities: [capability] },
  listVolumes: {},
  getCapacity: {},
  createSnapshot: { name: 'n', sourceVolumeId: 'v' },
  deleteSnapshot: { snapshotId: 's' },
  listSnapshots: {},
  getSnapshot: { snapshotId: 's' },
  controllerExpandVolume: { ...one, capacityRange: { requiredBytes: 1n } },
  controllerGetVolume: one,
  controllerModifyVolume: one,
  nodeStageVolume: staged,
  nodeUnstageVolume: { ...one, stagingTargetPath: '/stage' },
  nodePublishVolume: { ...one, targetPath: '/target', volumeCapability: capability },
  nodeUnpublishVolume: { ...one, targetPath: '/target' },
  nodeGetVolumeStats: { ...one, volumePath: '/target' },
  nodeExpandVolume: { ...one, volumePath: '/target' },
  createVolumeGroupSnapshot: { name: 'n', sourceVolumeIds: ['v'] },
  deleteVolumeGroupSnapshot: { groupSnapshotId: 'g' },
  getVolumeGroupSnapshot: { groupSnapshotId: 'g' },
};

/** Code and text of the answer; undefined: the request is one. */
function answer(name: string, init: object): string | undefined {
  const method = methods[name] as AnyMethod;
  const request = decode(method.request, encode(method.request, init));
  try {
    (validators as unknown as Record<string, (request: object) => void>)[name]?.(request);
    return undefined;
  } catch (error) {
    if (error instanceof RpcError) return `${error.code} ${error.details}`;
    throw error;
  }
}

const cases = Object.entries(least);

describe('requests', () => {
  test('every call with a field that the specification requires is checked', () => {
    const unchecked = Object.keys({ ...IdentityCalls, ...methods }).filter((name) => !(name in validators));
    expect(unchecked.sort()).toEqual([
      'controllerGetCapabilities',
      'getPluginCapabilities',
      'getPluginInfo',
      'groupControllerGetCapabilities',
      'nodeGetCapabilities',
      'nodeGetInfo',
      'probe',
    ]);
  });

  test.each(cases)('%s: the least is enough', (name, init) => {
    expect(answer(name, init)).toBeUndefined();
  });

  test.each(cases.flatMap(([name, init]) => Object.keys(init).map((field) => [name, field, init] as const)))(
    '%s without %s is none',
    (name, field, init) => {
      const snake = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      const rest = Object.fromEntries(Object.entries(init).filter(([key]) => key !== field));
      expect(answer(name, rest)).toMatch(new RegExp(`^INVALID_ARGUMENT ${snake}: is (missing|empty)$`));
    },
  );

  test.each(cases.flatMap(([name, init]) => Object.keys(init).map((field) => [name, field, init] as const)))(
    '%s with a hostile %s is none',
    (name, field, init) => {
      const value = (init as Record<string, unknown>)[field];
      const bad = (text: string): unknown => (Array.isArray(value) ? [text] : text);
      const isText = typeof value === 'string' || (Array.isArray(value) && typeof value[0] === 'string');
      if (!isText) return;
      const hostile = ['a\0b', '\u0007', '\u007f', '\u0085', `/${'x'.repeat(5000)}`];
      if (/TargetPath$|^targetPath$/.test(field)) hostile.push('relative', '/a/../b', '/', '../../etc');
      // volume_path is only compared: csi-sanity wants NOT_FOUND for one that is no path at all.
      for (const text of hostile)
        expect([text, answer(name, { ...init, [field]: bad(text) })?.split(' ')[0]]).toEqual([
          text,
          'INVALID_ARGUMENT',
        ]);
    },
  );

  test('capabilities that are none', () => {
    const make = (each: Init<VolumeCapability>): string | undefined =>
      answer('createVolume', { name: 'n', volumeCapabilities: [each] });
    const { accessMode } = capability;
    expect(make({})).toMatch('INVALID_ARGUMENT volume_capabilities[0].access_mode');
    expect(make({ mount: {} })).toMatch('INVALID_ARGUMENT volume_capabilities[0].access_mode');
    expect(make({ mount: {}, accessMode: { mode: 0 } })).toMatch('access_mode: is missing or unknown');
    expect(make({ mount: {}, accessMode: { mode: 99 } })).toMatch('access_mode: is missing or unknown');
    expect(make({ ...(accessMode && { accessMode }) })).toMatch('access_type: must be block or mount');
    expect(make({ block: {}, ...(accessMode && { accessMode }) })).toBeUndefined();
    expect(make({ ...capability, mount: { volumeMountGroup: '1000' } })).toMatch('volume_mount_group');
  });

  test('a source that is neither, or has no id', () => {
    const make = (volumeContentSource: object): string | undefined =>
      answer('createVolume', { ...least.createVolume, volumeContentSource });
    expect(make({})).toMatch('INVALID_ARGUMENT volume_content_source');
    expect(make({ snapshot: {} })).toMatch('INVALID_ARGUMENT volume_content_source.snapshot.snapshot_id');
    expect(make({ volume: {} })).toMatch('INVALID_ARGUMENT volume_content_source.volume.volume_id');
    expect(make({ volume: { volumeId: 'v' } })).toBeUndefined();
  });

  test('sizes', () => {
    const make = (capacityRange: object): string | undefined =>
      answer('createVolume', { ...least.createVolume, capacityRange });
    expect(make({ requiredBytes: 2n, limitBytes: 1n })).toMatch(/^OUT_OF_RANGE /);
    expect(make({ requiredBytes: -1n })).toMatch(/^INVALID_ARGUMENT /);
    expect(
      answer('nodeExpandVolume', { ...least.nodeExpandVolume, capacityRange: { limitBytes: -1n } }),
    ).toMatch(/^INVALID_ARGUMENT /);
  });

  test("a pod's tokens in volume_context may be longer than a map", () => {
    const volumeContext = { 'csi.storage.k8s.io/serviceAccount.tokens': 'x'.repeat(10_000) };
    expect(answer('nodePublishVolume', { ...least.nodePublishVolume, volumeContext })).toBeUndefined();
  });

  test('no error repeats a secret', () => {
    const secrets = { hunter2: 'hunter2\0', ['hunter2'.repeat(700)]: '' };
    for (const name of ['createVolume', 'deleteVolume', 'createSnapshot', 'deleteSnapshot'] as const) {
      const text = answer(name, { ...least[name], secrets: { password: 'hunter2\0' } });
      expect(text).toMatch(/^INVALID_ARGUMENT secrets: /);
      expect(text).not.toContain('hunter2');
      expect(answer(name, { ...least[name], secrets })).toMatch(/^INVALID_ARGUMENT secrets: /);
    }
  });
});
