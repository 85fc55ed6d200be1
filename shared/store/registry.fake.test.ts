import { expect, test } from 'vitest';
import { parseNetConf } from '../config/net-conf.ts';
import { isTooOld } from './errors.ts';
import { ManualClock } from './manual-clock.ts';
import { FakeNodeRegistry } from './registry.fake.ts';
import { describeNodeRegistry } from './registry-contract.ts';
import { LeaseWatcher, sampleNode } from './registry-samples.ts';

describeNodeRegistry('fake', async (options) => {
  const registry = new FakeNodeRegistry(options);
  return { registry, other: registry, [Symbol.asyncDispose]: async () => {} };
});

const networks = parseNetConf('{"Network":"10.244.0.0/16"}');

test('the fake loses everything when a test says so', async () => {
  const clock = new ManualClock();
  const registry = new FakeNodeRegistry({ networks, clock });
  await registry.acquire(sampleNode('a', 1));
  await using watcher = new LeaseWatcher(registry, (await registry.list()).version);
  const next = watcher.next().catch((error: unknown) => error);
  const { epoch } = await registry.list();
  registry.rebuild();
  expect(isTooOld(await next)).toBe(true);
  const list = await registry.list();
  expect([list.leases, list.rebuiltAt]).toEqual([[], clock.now().wallMs]);
  expect(list.epoch).not.toBe(epoch);
});

test('the fake fails when a test says so', async () => {
  const registry = new FakeNodeRegistry({ networks, clock: new ManualClock() });
  await using watcher = new LeaseWatcher(registry, (await registry.list()).version);
  const next = watcher.next();
  registry.failure = new Error('down');
  await expect(next).rejects.toThrow('down');
  await expect(registry.acquire(sampleNode('a', 1))).rejects.toThrow('down');
  registry.failure = undefined;
  expect((await registry.list()).leases).toEqual([]);
});
