import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freshNetns } from '../../../conformance/testing/netns.ts';
import { PODS } from '../../../shared/kube/resource.ts';
import { VOLUMES } from '../../../shared/kube/storage-resources.ts';
import { FakeApiServer } from '../../../shared/kube/testing/fake-api-server.ts';
import { clientOf } from '../../../shared/kube/testing/fake-client.ts';
import { silentLogger } from '../../../shared/log/logger.ts';
import { MS } from '../../../shared/sys/constants.ts';
import { mount, unmount } from '../../../shared/sys/mount.ts';
import { DRIVER_NAME } from '../name.ts';
import { openParts } from '../open.ts';
import type { LocalParts } from '../parts.ts';
import { type Begun, exchange, type Notes, Refused } from './exchange.ts';
import { adoptionOf, type PathVolume, replacementOf } from './plan.ts';
import { takeOver } from './take-over.ts';

const NAME = 'pvc-0a1b';
let directory = '';
let parts: LocalParts;

const pathVolume = (path: string): PathVolume => ({
  metadata: {
    name: NAME,
    finalizers: ['kubernetes.io/pv-protection'],
    annotations: { 'pv.kubernetes.io/provisioned-by': 'rancher.io/local-path' },
  },
  spec: {
    capacity: { storage: '128Mi' },
    accessModes: ['ReadWriteOnce'],
    persistentVolumeReclaimPolicy: 'Delete',
    storageClassName: 'local-path',
    claimRef: { namespace: 'default', name: 'data', uid: 'claim-1' },
    hostPath: { path },
    nodeAffinity: {
      required: {
        nodeSelectorTerms: [
          { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['n1'] }] },
        ],
      },
    },
  },
  status: { phase: 'Bound' },
});

class MemoryNotes implements Notes {
  begun: Begun | undefined;
  get = (): Begun | undefined => this.begun;
  put(begun: Begun): void {
    this.begun = begun;
  }
  remove(): void {
    this.begun = undefined;
  }
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'underpod-adopt-'));
  mkdirSync(`${directory}/opt/${NAME}`, { recursive: true });
  writeFileSync(`${directory}/opt/${NAME}/file`, 'precious');
  parts = await open();
});
afterEach(() => rmSync(directory, { recursive: true }));

function open(): Promise<LocalParts> {
  const pools = new Map([['default', `${directory}/pool`]]);
  return openParts({ pools, reserve: 0, node: 'n1', stateDir: `${directory}/state` }, silentLogger);
}

const old = (): string => `${directory}/opt/${NAME}`;
const move = async (): Promise<void> => {
  takeOver(parts, { id: NAME, path: old(), size: 128 * 2 ** 20 });
};

async function cluster(): Promise<{
  client: ReturnType<typeof clientOf>;
  volume: () => Promise<PathVolume>;
}> {
  const client = clientOf(new FakeApiServer());
  await client.create(VOLUMES, pathVolume(old()));
  return { client, volume: () => client.get(VOLUMES, { name: NAME }) };
}

describe.skipIf(!freshNetns())('taking a volume of local-path over', () => {
  test('keeps the data, the name and the claim', async () => {
    const { client, volume } = await cluster();
    const notes = new MemoryNotes();
    await exchange({ client, name: NAME, node: 'n1', notes, move });
    const { metadata, spec } = await volume();
    expect(metadata.annotations).toMatchObject({ 'pv.kubernetes.io/provisioned-by': DRIVER_NAME });
    expect(spec).toMatchObject({
      csi: { driver: DRIVER_NAME, volumeHandle: NAME },
      claimRef: { namespace: 'default', name: 'data', uid: 'claim-1' },
      storageClassName: 'local-path',
      persistentVolumeReclaimPolicy: 'Delete',
    });
    expect(spec.hostPath).toBeUndefined();
    expect(readFileSync(`${directory}/pool/volumes/${NAME}/data/file`, 'utf8')).toBe('precious');
    expect(readdirSync(`${directory}/opt`)).toEqual([]);
    expect(parts.pools.get('default')?.volumes.get(NAME)).toMatchObject({
      state: 'ready',
      backend: 'directory',
    });
    expect(notes.begun).toBeUndefined();
  });

  test('is refused while a pod has it, and changes nothing', async () => {
    const { client, volume } = await cluster();
    const pod = {
      metadata: { name: 'web', namespace: 'default' },
      spec: { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] },
    };
    await client.create(PODS, pod as never, { namespace: 'default' });
    const before = await volume();
    await expect(
      exchange({ client, name: NAME, node: 'n1', notes: new MemoryNotes(), move }),
    ).rejects.toThrow(/used by web/);
    expect(await volume()).toEqual(before);
    expect(readdirSync(`${directory}/opt`)).toEqual([NAME]);
  });

  test('puts the object back where the driver refuses', async () => {
    const { client, volume } = await cluster();
    const { spec } = await volume();
    const refused = async (): Promise<void> => {
      throw new Refused('another file system');
    };
    const notes = new MemoryNotes();
    await expect(exchange({ client, name: NAME, node: 'n1', notes, move: refused })).rejects.toThrow(
      /another file system/,
    );
    expect((await volume()).spec).toEqual(spec);
    expect(notes.begun).toBeUndefined();
  });

  test('goes on where it was killed, at any step', async () => {
    const { client, volume } = await cluster();
    const notes = new MemoryNotes();
    // The answer never came: whether the data was moved nobody knows.
    const lost = async (): Promise<void> => {
      await move();
      throw new Error('killed');
    };
    await expect(exchange({ client, name: NAME, node: 'n1', notes, move: lost })).rejects.toThrow(
      /run this again/,
    );
    await expect(volume()).rejects.toThrow();
    expect(notes.begun).toBeDefined();
    parts = await open();
    await exchange({ client, name: NAME, node: 'n1', notes, move });
    expect((await volume()).spec.csi).toMatchObject({ driver: DRIVER_NAME });
    expect(readFileSync(`${directory}/pool/volumes/${NAME}/data/file`, 'utf8')).toBe('precious');
  });

  test('the driver goes on where it was killed between moving and saying so', async () => {
    const record = { id: NAME, path: old(), size: 4096 };
    takeOver(parts, record);
    const pool = parts.pools.get('default');
    const kept = pool?.volumes.get(NAME);
    if (!pool || !kept) throw new Error('it is not there');
    pool.keepVolume({ ...kept, state: 'making' });
    parts = await open();
    expect(takeOver(parts, record)).toContain(NAME);
    expect(parts.pools.get('default')?.volumes.get(NAME)?.state).toBe('ready');
  });

  test('what cannot be moved is left where it is, and no record of it stays', async () => {
    // A directory on another mount: the pool is not moved into.
    const mounted = `${directory}/mounted`;
    mkdirSync(mounted);
    mount('none', mounted, 'tmpfs', 0);
    try {
      mkdirSync(`${mounted}/data`);
      expect(() => takeOver(parts, { id: NAME, path: `${mounted}/data`, size: 4096 })).toThrow(
        /another file system/,
      );
      expect(() => takeOver(parts, { id: NAME, path: mounted, size: 4096 })).toThrow(/mount of its own/);
    } finally {
      unmount(mounted);
    }
    // The same file system by another mount, as two hostPaths are.
    mount(`${directory}/opt`, mounted, '', MS.BIND);
    try {
      expect(() => takeOver(parts, { id: NAME, path: `${mounted}/${NAME}`, size: 4096 })).toThrow(
        /different mounts/,
      );
      expect(readdirSync(`${directory}/opt`)).toEqual([NAME]);
    } finally {
      unmount(mounted);
    }
    expect(parts.pools.get('default')?.volumes.size).toBe(0);
    expect(readdirSync(`${directory}/pool/volumes`)).toEqual([]);
  });

  test.each([
    ['no directory', { hostPath: undefined }, /no directory/],
    [
      'another node',
      {
        nodeAffinity: {
          required: {
            nodeSelectorTerms: [
              { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['n2'] }] },
            ],
          },
        },
      },
      /not on n1/,
    ],
    ['a block device', { volumeMode: 'Block' }, /block device/],
    ['no size', { capacity: {} }, /no size/],
  ])('refuses %s', (_what, change, why) => {
    const volume = pathVolume('/opt/x');
    expect(() => adoptionOf({ ...volume, spec: { ...volume.spec, ...(change as object) } }, 'n1')).toThrow(
      why,
    );
  });

  test('a volume without a claim keeps having none', () => {
    const { claimRef: _, ...spec } = pathVolume('/opt/x').spec;
    const volume = { ...pathVolume('/opt/x'), spec };
    expect(replacementOf(volume, adoptionOf(volume, 'n1'), 'n1').spec.claimRef).toBeUndefined();
  });
});
