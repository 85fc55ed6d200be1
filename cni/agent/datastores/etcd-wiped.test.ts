/** A real etcd that is set up anew under a running node: the node and its peers are there again in a moment. */

import { rmSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { etcdProgram } from '../../../conformance/etcd/program.ts';
import { Etcd } from '../../../conformance/etcd/server.ts';
import { freshNetns, TemporaryDirectory } from '../../../conformance/testing/netns.ts';
import { slowness } from '../../../conformance/testing/slowness.ts';
import { parseNetConf } from '../../../shared/config/net-conf.ts';
import { systemClock } from '../../../shared/daemon/clock.ts';
import { silentLogger } from '../../../shared/log/logger.ts';
import { EtcdClient } from '../../../shared/store/etcd/client.ts';
import { EtcdRegistry } from '../../../shared/store/etcd/registry.ts';
import { cidr, sampleNode } from '../../../shared/store/registry-samples.ts';
import { Membership } from '../leases/membership.ts';

const fetched = etcdProgram();
const program = freshNetns() ? fetched : undefined;
const prefix = '/coreos.com/network';
const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

function join(etcd: Etcd, n: number): Membership {
  const registry = new EtcdRegistry({
    client: new EtcdClient({ endpoints: [etcd.endpoint] }),
    prefix,
    networks: parseNetConf('{"Network":"10.244.0.0/16"}'),
  });
  const membership = new Membership({
    registry,
    clock: systemClock,
    log: silentLogger,
    node: `n${n}`,
    info: () => sampleNode(`n${n}`, n, { instance: `i${n}` }),
    wanted: () => ({ subnet: cidr(`10.244.${n}.0/24`) }),
    renewMarginMs: 3_600_000,
    onChange: () => {},
  });
  const stop = new AbortController();
  const end = membership.run(stop.signal);
  undo.push(async () => {
    stop.abort();
    await registry[Symbol.asyncDispose]();
    await end;
  });
  return membership;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 10_000; !(await condition()); ) {
    if (Date.now() > deadline) throw new Error('it never came true');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe.skipIf(!program)('a real etcd that lost its data', () => {
  test.each([
    ['nothing but a few keys', 0],
    ['more history than the former one', 100],
  ])('and has %s', async (_, others) => {
    const directory = new TemporaryDirectory();
    undo.push(() => directory[Symbol.dispose]());
    const etcd = await Etcd.start({ program: program ?? '', directory: directory.path });
    undo.push(() => etcd[Symbol.asyncDispose]());
    const nodes = [1, 2, 3].map((n) => join(etcd, n));
    await until(() => nodes.every(({ peers, own }) => own !== undefined && peers.leases.length === 2));
    const lost: number[] = [];
    await etcd.daemon.kill();
    rmSync(directory.join('data'), { recursive: true });
    await etcd.daemon.start();
    const started = performance.now();
    for (let n = 0; n < others; n++) await etcd.put(`${prefix}/elsewhere`, String(n));
    await until(async () => {
      lost.push(Math.min(...nodes.map(({ peers }) => peers.leases.length)));
      return (await etcd.list(`${prefix}/subnets/`)).length === 3;
    });
    expect(performance.now() - started).toBeLessThan(3000 * slowness);
    await until(() => nodes.every(({ peers }) => peers.carried === 0));
    const keys = (await etcd.list(`${prefix}/subnets/`)).map(({ key }) => key.slice(-13));
    expect(keys).toEqual(['10.244.1.0-24', '10.244.2.0-24', '10.244.3.0-24']);
    // No peer went meanwhile.
    expect([Math.min(...lost), ...nodes.map(({ peers }) => peers.leases.length)]).toEqual([2, 2, 2, 2]);
  });
});
