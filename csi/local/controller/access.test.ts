import { describe, expect, test } from 'vitest';
import { AccessModeMode, type VolumeCapability } from '#messages/csi';
import { RpcError } from '../../../shared/grpc/error.ts';
import type { Features } from '../backends/backend.ts';
import { accessFor } from './access.ts';

const features: Features = {
  block: true,
  enforcesSize: true,
  snapshots: true,
  ownFileSystem: true,
  minimum: () => 4096,
};
const loop = { name: 'loop' as const, features };
const directory = {
  name: 'directory' as const,
  features: { ...features, block: false, ownFileSystem: false },
};

const mode = (name: keyof typeof AccessModeMode = 'SINGLE_NODE_WRITER') => ({
  accessMode: { mode: AccessModeMode[name] },
});
const mount = (
  fsType = '',
  mountFlags: string[] = [],
  name?: keyof typeof AccessModeMode,
): VolumeCapability => ({
  ...mode(name),
  mount: { fsType, mountFlags, volumeMountGroup: '' },
});
const block = (): VolumeCapability => ({ ...mode(), block: {} });

/** The answer, or the error's code. */
function ask(...parameters: Parameters<typeof accessFor>): unknown {
  try {
    return accessFor(...parameters);
  } catch (error) {
    if (error instanceof RpcError) return error.code;
    throw error;
  }
}

const INVALID = 'INVALID_ARGUMENT';

describe('what a volume is to be like', () => {
  test.each([
    [[mount()], { access: 'mount', fsType: 'ext4' }],
    [[mount('xfs')], { access: 'mount', fsType: 'xfs' }],
    [[mount('xfs'), mount()], { access: 'mount', fsType: 'xfs' }],
    [[mount('xfs'), mount('ext4')], INVALID],
    [[mount('vfat')], INVALID],
    [[mount('../x')], INVALID],
    [[block()], { access: 'block', fsType: 'ext4' }],
    [[block(), mount()], INVALID],
    [[mount('', ['noatime'])], { access: 'mount', fsType: 'ext4' }],
    [[mount('', ['loop'])], INVALID],
    [[], INVALID],
  ])('%#', (messages, expected) => {
    expect(ask(messages, loop, undefined)).toEqual(expected);
  });

  test.each(Object.keys(AccessModeMode) as (keyof typeof AccessModeMode)[])('access mode %s', (name) => {
    const possible = name.startsWith('SINGLE_NODE');
    expect(ask([mount('', [], name)], loop, undefined)).toEqual(
      possible ? { access: 'mount', fsType: 'ext4' } : INVALID,
    );
  });

  test('a backend without file systems of its own has that of the pool, whatever is asked, and no devices', () => {
    expect(ask([block()], directory, undefined)).toBe(INVALID);
    expect(ask([mount('xfs')], directory, undefined)).toMatchObject({ access: 'mount' });
  });

  test("a class's file system, where nobody asks for another", () => {
    expect(ask([mount()], loop, undefined, 'xfs')).toMatchObject({ fsType: 'xfs' });
    expect(ask([mount('btrfs')], loop, undefined, 'xfs')).toMatchObject({ fsType: 'btrfs' });
    expect(ask([mount()], loop, { access: 'mount', fsType: 'ext4' }, 'xfs')).toMatchObject({
      fsType: 'ext4',
    });
    expect(ask([mount()], loop, undefined, 'vfat')).toBe(INVALID);
    expect(ask([mount()], directory, undefined, 'vfat')).toMatchObject({ access: 'mount' });
  });

  test('a copy has the file system of what it is made from', () => {
    const source = { access: 'mount', fsType: 'xfs' } as const;
    expect(ask([mount()], loop, source)).toEqual(source);
    expect(ask([mount('xfs')], loop, source)).toEqual(source);
    expect(ask([mount('ext4')], loop, source)).toBe(INVALID);
    expect(ask([block()], loop, source)).toBe(INVALID);
    expect(ask([mount()], loop, { access: 'block', fsType: 'ext4' })).toBe(INVALID);
  });
});
