import { describe, expect, test } from 'vitest';
import { RpcError } from '../../shared/grpc/error.ts';
import { parseParameters } from './parameters.ts';

describe("a StorageClass's parameters", () => {
  test('none: a thick image in the first pool', () => {
    expect(parseParameters({})).toEqual({ backend: 'loop', thin: false });
  });

  test.each([
    [{ pool: 'fast' }, { pool: 'fast' }],
    [{ pool: '' }, {}],
    [{ backend: 'btrfs' }, { backend: 'btrfs' }],
    [{ provisioning: 'thin' }, { thin: true }],
    [{ provisioning: 'thick' }, { thin: false }],
    [{ 'csi.storage.k8s.io/fstype': 'xfs' }, { fsType: 'xfs' }],
    [{ 'csi.storage.k8s.io/fstype': '' }, {}],
    [
      {
        'csi.storage.k8s.io/pvc/name': 'data',
        'csi.storage.k8s.io/pvc/namespace': 'shop',
        'csi.storage.k8s.io/pv/name': 'pvc-1',
      },
      { claim: 'shop/data' },
    ],
    [{ 'csi.storage.k8s.io/pvc/name': 'data' }, {}],
  ])('%j', (map, expected) => {
    expect(parseParameters(map)).toEqual({ backend: 'loop', thin: false, ...expected });
  });

  test.each([
    { backend: 'lvm' },
    { backend: '' },
    { backend: 'Loop' },
    { backend: 'toString' },
    { provisioning: 'thinner' },
    { provisioning: '' },
    { Pool: 'fast' },
    { pools: 'fast' },
    { size: '1Gi' },
    { 'csi.storage.k8s.io': 'x' },
    { constructor: 'x' },
    JSON.parse('{"__proto__": "x"}') as Record<string, string>,
  ])('not %j', (map) => {
    try {
      parseParameters(map);
      throw new Error('it was taken');
    } catch (error) {
      expect(error).toBeInstanceOf(RpcError);
      expect((error as RpcError).code).toBe('INVALID_ARGUMENT');
      expect((error as RpcError).details).toContain(Object.keys(map)[0] ?? '');
    }
  });
});
