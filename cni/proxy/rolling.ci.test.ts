/** A service rolls under a thousand new connections a second, whatever happens to the proxy meanwhile: none fails. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TrafficNode } from '../../conformance/proxy/traffic/node.ts';
import { type Rolled, roll, told } from '../../conformance/proxy/traffic/roll.ts';
import { freshNetns } from '../../conformance/testing/netns.ts';

const available = freshNetns();

describe.skipIf(!available)('a service that rolls', () => {
  let node: TrafficNode;
  beforeAll(() => {
    node = new TrafficNode();
  });
  afterAll(() => node[Symbol.asyncDispose]());

  const holds = (title: string, rolled: Rolled): void => {
    process.stderr.write(`${told(title, rolled)}\n`);
    for (const [name, { failures }] of Object.entries(rolled.reports))
      expect({ name, failures }).toEqual({ name, failures: [] });
    expect(rolled.reports.pod.opened / rolled.reports.pod.seconds).toBeGreaterThan(300);
    expect(rolled.reports.pod.held.exchanges).toBeGreaterThan(20);
    expect(Object.keys(rolled.reports.sticky.by)).toHaveLength(1);
  };

  test('loses no connection, while the proxy works, is stopped, killed, and exchanged for another layout', async () => {
    const proxy = node.proxy('sources');
    const next = node.proxy('next-layout');
    const rolling = await node.serve();
    await proxy.start();
    holds('at work', await roll(rolling, 2));
    holds(
      'stopped, killed and exchanged',
      await roll(rolling, 5, async () => {
        await proxy.stop();
        await proxy.start();
        await proxy.kill();
        await proxy.start();
        await proxy.stop();
        await next.start();
        await next.kill();
        await proxy.start();
      }),
    );
    await proxy.stop();
  }, 60_000);
});
