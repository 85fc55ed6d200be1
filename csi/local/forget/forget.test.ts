import { expect, test } from 'vitest';
import { NODES } from '../../../shared/kube/resource.ts';
import { CAPACITIES, CLAIMS, VOLUMES } from '../../../shared/kube/storage-resources.ts';
import type { PersistentVolume } from '../../../shared/kube/storage-types.ts';
import { FakeApiServer } from '../../../shared/kube/testing/fake-api-server.ts';
import { clientOf } from '../../../shared/kube/testing/fake-client.ts';
import { FINALIZER } from '../../driver/provision/names.ts';
import { affinityOf } from '../../driver/provision/topology.ts';
import { DRIVER_NAME } from '../name.ts';
import { TOPOLOGY_KEY } from '../topology-key.ts';
import { forget } from './main.ts';

function volume(
  name: string,
  node: string | undefined,
  claim?: string,
  driver: string = DRIVER_NAME,
): PersistentVolume {
  const nodeAffinity = node === undefined ? undefined : affinityOf([{ segments: { [TOPOLOGY_KEY]: node } }]);
  return {
    metadata: { name, finalizers: [FINALIZER.volume] },
    spec: {
      csi: { driver, volumeHandle: name },
      ...(nodeAffinity && { nodeAffinity }),
      ...(claim !== undefined && { claimRef: { namespace: 'default', name: claim } }),
    },
    status: { phase: claim === undefined ? 'Released' : 'Bound' },
  };
}

async function cluster(): Promise<{ client: ReturnType<typeof clientOf>; names: () => Promise<string[]> }> {
  const client = clientOf(new FakeApiServer());
  await client.create(NODES, { metadata: { name: 'alive' } });
  await client.create(
    CLAIMS,
    { metadata: { name: 'data', namespace: 'default' }, spec: {} },
    { namespace: 'default' },
  );
  for (const each of [
    volume('gone-free', 'gone'),
    volume('gone-bound', 'gone', 'data'),
    volume('alive-bound', 'alive', 'other'),
    volume('everywhere', undefined),
    volume('of-others', 'gone', undefined, 'other.example'),
  ])
    await client.create(VOLUMES, each);
  for (const node of ['gone', 'alive'])
    await client.create(
      CAPACITIES,
      {
        metadata: { name: `room-${node}`, namespace: 'kube-system' },
        storageClassName: 'a',
        nodeTopology: { matchLabels: { [TOPOLOGY_KEY]: node } },
      },
      { namespace: 'kube-system' },
    );
  const names = async (): Promise<string[]> => {
    const name = ({ metadata }: { readonly metadata: { readonly name: string } }): string => metadata.name;
    const lists = [
      await client.list(VOLUMES, name),
      await client.list(CLAIMS, name),
      await client.list(CAPACITIES, name),
    ];
    return lists.flatMap(({ items }) => items).sort();
  };
  return { client, names };
}

const others = ['alive-bound', 'everywhere', 'of-others', 'room-alive'];

test('what nobody wants goes, what a claim holds stays and is told', async () => {
  const { client, names } = await cluster();
  expect(await forget(client, 'gone', false, false)).toBe(1);
  expect(await names()).toEqual([...others, 'data', 'gone-bound'].sort());
});

test('with the claims nothing of the node is left, and nothing else is touched', async () => {
  const { client, names } = await cluster();
  expect(await forget(client, 'gone', true, false)).toBe(0);
  expect(await names()).toEqual([...others].sort());
  expect(await forget(client, 'gone', true, false)).toBe(0);
});

test('a dry run changes nothing', async () => {
  const { client, names } = await cluster();
  const before = await names();
  expect(await forget(client, 'gone', true, true)).toBe(0);
  expect(await names()).toEqual(before);
});

test('a node that is part of the cluster is refused', async () => {
  const { client, names } = await cluster();
  const before = await names();
  await expect(forget(client, 'alive', true, false)).rejects.toThrow(/part of the cluster/);
  expect(await names()).toEqual(before);
});
