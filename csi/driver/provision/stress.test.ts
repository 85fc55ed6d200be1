/** Many claims at once, with an API server and a driver that fail by chance; and many nodes that want the same claim. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import { CLAIMS } from '../../../shared/kube/storage-resources.ts';
import { KEY, TestCluster } from './testing/cluster.ts';
import { FakeDriver } from './testing/fake-driver.ts';

let cluster: TestCluster;

beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(async () => {
  await cluster[Symbol.asyncDispose]();
});

/** The same numbers in every run. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

async function eventually(what: string, holds: () => boolean, stepMs = 500): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!holds()) {
    if (performance.now() > deadline)
      throw new Error(`still not: ${what}\n${cluster.log.slice(-30).join('')}`);
    await Bun.sleep(2);
    cluster.clock.advance(stepMs);
  }
}

test.each([1, 2])(
  'a hundred claims, every fifth call fails (%i)',
  async (seed) => {
    const random = numbers(seed);
    await cluster.storageClass('fast');
    cluster.server.inject({
      when: ({ headers }) => headers.get('user-agent') === 'provisioner' && random() < 0.2,
      answer: { code: 500 },
    });
    const codes = ['ABORTED', 'INTERNAL', 'UNAVAILABLE', 'NOT_FOUND'] as const;
    cluster.driver.chance = (_call) => {
      if (random() >= 0.2) return undefined;
      const code = codes[Math.floor(random() * codes.length)] ?? 'ABORTED';
      // What is certain to have failed has left nothing.
      return { code, after: code !== 'NOT_FOUND' && random() < 0.5 };
    };
    cluster.start({ random });
    const names = Array.from({ length: 100 }, (_, index) => `claim-${index}`);
    for (const name of names) await cluster.claim(name, 'a');
    // Some are given up while their volume is made.
    const kept = names.filter((_, index) => index % 4 !== 0);
    for (const name of names)
      if (!kept.includes(name)) await cluster.client.delete(CLAIMS, { namespace: 'default', name });
    const settled = (): boolean => cluster.journal.all.size === 0;
    await eventually(
      'the claims have their volumes',
      () => settled() && cluster.volumes().length >= kept.length,
    );
    for (const { spec } of cluster.volumes())
      expect(cluster.driver.volumes.has(spec.csi?.volumeHandle ?? '')).toBe(true);
    expect(cluster.driver.volumes.size).toBe(cluster.volumes().length);
    // As the controller manager, for claims that are gone.
    for (const name of kept) await cluster.client.delete(CLAIMS, { namespace: 'default', name });
    for (const { metadata } of cluster.volumes()) await cluster.phase(metadata.name, 'Released');
    await eventually('nothing is left', () => cluster.volumes().length === 0 && settled());
    expect(cluster.driver.volumes.size).toBe(0);
  },
  60_000,
);

test('forty nodes want the same claims: each is one node’s', async () => {
  await cluster.storageClass('fast', { volumeBindingMode: 'Immediate' });
  const random = numbers(7);
  const drivers = Array.from({ length: 40 }, (_, index) => {
    const name = `node-${index}`;
    const driver = new FakeDriver({ segments: { [KEY]: name }, capacity: BigInt(index) << 30n });
    const node = { name, segments: { [KEY]: name } };
    cluster.start({ node, calls: driver.calls, random });
    return driver;
  });
  for (let index = 0; index < 5; index++) await cluster.claim(`claim-${index}`, undefined);
  await eventually('the volumes are there', () => cluster.volumes().length === 5, 20);
  await cluster.events();
  const made = drivers.map((driver) => driver.made);
  expect(made.reduce((sum, each) => sum + each, 0)).toBe(5);
  // The first has no room.
  expect(made[0]).toBe(0);
}, 60_000);
