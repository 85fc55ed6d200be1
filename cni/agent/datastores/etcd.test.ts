import { statSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { TemporaryDirectory } from '../../../conformance/testing/netns.ts';
import { createLogger } from '../../../shared/log/logger.ts';
import { systemClock } from '../../../shared/store/clock.ts';
import { FakeEtcd } from '../../../shared/store/etcd/testing/fake-etcd.ts';
import { sampleNode, show } from '../../../shared/store/registry-samples.ts';
import type { AgentOptions } from '../options.ts';
import type { Datastore } from './datastore.ts';
import { openEtcd } from './etcd.ts';

const KEY = '/coreos.com/network/config';
const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

interface World {
  readonly etcd: FakeEtcd;
  readonly stateDir: string;
  readonly lines: string[];
  /** What it said that it waits for. */
  readonly waits: string[];
  /** The running agent's datastore; opened again, another one with the same disk. */
  open(): Promise<Datastore>;
  put(text: string): void;
  logged(text: string): Promise<void>;
}

async function setUp(): Promise<World> {
  const etcd = await new FakeEtcd(systemClock()).start();
  const directory = new TemporaryDirectory();
  undo.push(
    () => directory[Symbol.dispose](),
    () => etcd[Symbol.asyncDispose](),
  );
  const lines: string[] = [];
  const waits: string[] = [];
  const log = createLogger('test', { sink: (line) => lines.push(line) });
  const stateDir = directory.join('state');
  const abort = new AbortController();
  undo.push(() => abort.abort());
  return {
    etcd,
    stateDir,
    lines,
    waits,
    open: async () => {
      const datastore = {
        type: 'etcd',
        why: 'test',
        endpoints: [etcd.endpoint],
        prefix: '/coreos.com/network',
      };
      const options = { datastore, stateDir, lease: { ttlMs: 86_400_000, renewMarginMs: 1 } };
      const opened = await openEtcd(options as unknown as AgentOptions, log, abort.signal, (why) =>
        waits.push(why),
      );
      undo.push(() => opened[Symbol.asyncDispose]());
      return opened;
    },
    put: (value) => etcd.model.put({ key: KEY, value, lease: 0n, prevKv: false }),
    logged: async (text) => {
      for (const deadline = Date.now() + 10_000; !lines.some((line) => line.includes(text)); ) {
        if (Date.now() > deadline) throw new Error(`nobody said "${text}":\n${lines.join('')}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
  };
}

test('waits for a configuration that can be used, and says what it waits for', async () => {
  const { etcd, open, put, logged, lines, waits } = await setUp();
  await etcd.stop();
  const opening = open();
  await logged('etcd cannot be asked');
  await etcd.start();
  await logged('there is no network configuration in etcd yet');
  put('{"Network":');
  await logged('cannot be used');
  put('{"Network":"10.244.0.0/16","Backend":{"Type":"vxlan","VNI":7}}');
  const { netConf, registry } = await opening;
  expect(netConf.backend).toEqual({ type: 'vxlan', options: { VNI: 7 } });
  expect(show(await registry.acquire(sampleNode('a', 1)))).toMatch(/^a 10\.244\.\d+\.0\/24$/);
  expect(lines.filter((line) => line.includes('etcd cannot be asked'))).toHaveLength(1);
  expect(waits[0]).toMatch(/^etcd cannot be asked .*: .*UNAVAILABLE/);
  expect(waits.at(-1)).toMatch(/^the network configuration in etcd cannot be used/);
});

test('a node that was there before starts without etcd, and finds it later', async () => {
  const { etcd, stateDir, open, put, lines } = await setUp();
  put('{"Network":"10.244.0.0/16"}');
  const first = await open();
  await first.registry.acquire(sampleNode('a', 1, { instance: 'one' }));
  await first[Symbol.asyncDispose]();
  await etcd.stop();
  expect(statSync(`${stateDir}/etcd.json`).mode & 0o777).toBe(0o600);
  const before = performance.now();
  const { netConf, registry } = await open();
  expect(performance.now() - before).toBeLessThan(2000);
  expect(netConf.ipv4?.subnetLen).toBe(24);
  expect(lines.some((line) => line.includes('going by the network configuration'))).toBe(true);
  await expect(registry.list()).rejects.toThrow(/UNAVAILABLE/);
  await etcd.start();
  expect((await registry.list()).leases).toHaveLength(1);
});

test('a change of the configuration is told, and taken over by the next start', async () => {
  const { open, put, logged, lines } = await setUp();
  put('{"Network":"10.244.0.0/16"}');
  await open();
  put('{ "Network": "10.244.0.0/16" }');
  put('{"Network":"10.245.0.0/16"}');
  await logged('has changed: restart the agent');
  expect(lines.filter((line) => line.includes('has changed'))).toHaveLength(1);
  expect((await open()).netConf.ipv4?.network.ip.value).toBe(0x0af50000n);
});

test('an etcd that lost its memory while nobody looked is noticed by what the disk remembers', async () => {
  const { etcd, open, put } = await setUp();
  put('{"Network":"10.244.0.0/16"}');
  const first = await open();
  for (const n of [1, 2, 3]) await first.registry.acquire(sampleNode(`n${n}`, n));
  const { epoch } = await first.registry.list();
  await first[Symbol.asyncDispose]();
  etcd.wipe();
  // One that has come further since, too.
  for (let n = 0; n < 50; n++) put('{"Network":"10.244.0.0/16"}');
  const list = await (await open()).registry.list();
  expect([list.leases, list.epoch === epoch, typeof list.rebuiltAt]).toEqual([[], false, 'number']);
});

test('a configuration that a new etcd has from the start is seen, whatever its revisions are', async () => {
  const { etcd, open, put, logged } = await setUp();
  put('no configuration');
  const opening = open();
  await logged('cannot be used');
  for (const revisions of [0, 50]) {
    await etcd.stop();
    etcd.wipe();
    for (let n = 0; n < revisions; n++) put('{"Network":');
    put(revisions === 0 ? '[]' : '{"Network":"10.244.0.0/16"}');
    await etcd.start();
    if (revisions === 0) await logged('must be an object');
  }
  expect((await opening).netConf.ipv4?.subnetLen).toBe(24);
});

test('one that is put into a new etcd of lower revisions is heard of', async () => {
  const { etcd, open, put, logged } = await setUp();
  for (let n = 0; n < 9; n++) put('no configuration');
  const opening = open();
  await logged('cannot be used');
  await etcd.stop();
  etcd.wipe();
  await etcd.start();
  await logged('there is no network configuration');
  put('{"Network":"10.244.0.0/16"}');
  expect((await opening).netConf.ipv4?.subnetLen).toBe(24);
});
