/** The same as `rolling.ci.test.ts`, with the compiled executable, and for as long as chance needs. */

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { executable } from '../../conformance/build/executable.ts';
import { TrafficNode } from '../../conformance/proxy/traffic/node.ts';
import type { ProxyMode } from '../../conformance/proxy/traffic/proxy-program.ts';
import { type Rolled, roll, told } from '../../conformance/proxy/traffic/roll.ts';
import type { RollingService } from '../../conformance/proxy/traffic/rolling.ts';
import type { TestDaemon } from '../../conformance/testing/daemon.ts';
import { freshNetns } from '../../conformance/testing/netns.ts';

const SECONDS = 60;

const compiled = executable();
const available = freshNetns();

describe.skipIf(!available)(
  'a service that rolls for a minute, ten changes and a thousand connections a second',
  () => {
    const summaries: string[] = [];
    afterEach(() => {
      rolling.drainMs = 5000;
      for (const text of summaries.splice(0)) process.stdout.write(`${text}\n`);
    });

    let node: TrafficNode;
    let rolling: RollingService;
    beforeAll(async () => {
      node = new TrafficNode();
      rolling = await node.serve();
    });
    afterAll(() => node?.[Symbol.asyncDispose]());

    const start = async (mode: ProxyMode = 'nftables'): Promise<TestDaemon> => {
      const proxy = node.proxy({ compiled }, mode);
      await proxy.start();
      return proxy;
    };

    const holds = (title: string, rolled: Rolled, mostPods = 1): void => {
      summaries.push(told(title, rolled));
      const { pod, sticky } = rolled.reports;
      for (const [name, { failed, failures }] of Object.entries(rolled.reports))
        expect({ name, failed, failures }).toEqual({ name, failed: 0, failures: [] });
      expect(pod.opened / pod.seconds).toBeGreaterThan(850);
      expect(rolled.changes).toBeGreaterThan(9 * SECONDS);
      // A client with affinity stays where it is, whoever the proxy is.
      expect(Object.keys(sticky.by).length).toBeLessThanOrEqual(mostPods);
    };

    test('loses none while pods end half a second after they say so', async () => {
      const proxy = await start();
      rolling.drainMs = 500;
      const rolled = await roll(rolling, SECONDS);
      await proxy.stop();
      holds('the proxy at work', rolled);
      expect(rolled.latestMs).toBeLessThan(400);
    }, 180_000);

    test('loses none while the proxy is stopped and started', async () => {
      const proxy = await start();
      let restarts = 0;
      const rolled = await roll(rolling, SECONDS, async (isOver) => {
        for (; !isOver(); restarts += 1) {
          await Bun.sleep(700);
          await proxy.stop();
          await proxy.start();
        }
      });
      await proxy.stop();
      holds(`${restarts} restarts`, rolled);
      expect(restarts).toBeGreaterThan(SECONDS / 3);
    }, 180_000);

    test('loses none while the proxy is killed at any moment', async () => {
      const proxy = await start();
      let kills = 0;
      const rolled = await roll(rolling, SECONDS, async (isOver) => {
        for (; !isOver(); kills += 1) {
          // In its start as well as at work.
          const starting = proxy.start().catch(() => {});
          await Promise.race([starting, Bun.sleep(Math.random() * 900)]);
          if (kills % 2 === 1) await starting;
          await Bun.sleep(Math.random() * 400);
          await proxy.kill();
          await starting;
        }
        await proxy.start();
      });
      await proxy.stop();
      holds(`${kills} kills`, rolled);
      expect(kills).toBeGreaterThan(SECONDS / 3);
    }, 180_000);

    test('loses none while the proxy is exchanged for one with another layout, and back', async () => {
      const proxy = await start();
      const next = node.proxy('next-layout');
      let exchanges = 0;
      const rolled = await roll(rolling, SECONDS, async (isOver) => {
        for (; !isOver(); exchanges += 1) {
          await Bun.sleep(500);
          const [from, to] = exchanges % 2 === 0 ? [proxy, next] : [next, proxy];
          if (exchanges % 3 === 0) await from.kill();
          else await from.stop();
          await to.start();
        }
      });
      await proxy.stop();
      await next.stop();
      holds(`${exchanges} exchanges`, rolled);
      expect(exchanges).toBeGreaterThan(SECONDS / 4);
    }, 180_000);

    test('loses none in mode iptables, restarts among it', async () => {
      const proxy = await start('iptables');
      let restarts = 0;
      const rolled = await roll(rolling, SECONDS, async (isOver) => {
        for (; !isOver(); restarts += 1) {
          await Bun.sleep(2000);
          await (restarts % 2 === 0 ? proxy.stop() : proxy.kill());
          await proxy.start();
        }
      });
      await proxy.stop();
      holds(`mode iptables, ${restarts} restarts`, rolled);
    }, 180_000);

    test('loses none while the mode is changed', async () => {
      const proxy = await start();
      const other = node.proxy({ compiled }, 'iptables');
      let changes = 0;
      const rolled = await roll(rolling, SECONDS, async (isOver) => {
        for (; !isOver(); changes += 1) {
          await Bun.sleep(2000);
          const [from, to] = changes % 2 === 0 ? [proxy, other] : [other, proxy];
          await from.stop();
          await to.start();
        }
      });
      await proxy.stop();
      await other.stop();
      // Affinity is kept by each mode in a place of its own.
      holds(`${changes} changes of the mode`, rolled, changes + 1);
    }, 180_000);
  },
);
