import { describe, expect, test } from 'vitest';
import { freshNetns, run } from '../../testing/netns.ts';
import { slowness } from '../../testing/slowness.ts';
import { TrafficClient } from './client.ts';
import { summary, type Target } from './report.ts';
import { TrafficServers } from './servers.ts';

const PATIENCE = 1500 * slowness;

const traffic = (...targets: Target[]): TrafficClient =>
  new TrafficClient([], { targets, patienceMs: PATIENCE });

describe.skipIf(!freshNetns())('traffic', () => {
  test('is opened at the rate asked for, answered and checked; and who is not there is told', async () => {
    await using servers = new TrafficServers([]);
    await servers.listen('one', '127.0.0.2', 8080);
    await servers.listen('other', '127.0.0.3', 8080);
    // Whoever asks there gets nothing at all.
    run(
      'nft',
      'table ip silent { chain input { type filter hook input priority 0; ip daddr 127.0.0.5 drop; }; }',
    );
    const to = (address: string, perSecond: number, held = 0): Target => ({
      address,
      port: 8080,
      perSecond,
      held,
    });
    await using client = traffic(to('127.0.0.2', 950, 2), to('127.0.0.4', 50), to('127.0.0.5', 10));
    await using other = traffic(to('127.0.0.3', 20, 3));
    await Bun.sleep(1000 * Math.min(slowness, 5));
    const first = await client.report();
    await servers.end('other');
    // In order: those that were held, and not refused before. That they have ended comes to the client in its own time.
    const answerers = new Set<string>();
    let ended = 0;
    const deadline = performance.now() + PATIENCE;
    while (ended < 3 && performance.now() < deadline) {
      const { by, held } = await other.report();
      for (const name of Object.keys(by)) answerers.add(name);
      ended += held.ended;
    }
    await other.stop();
    const last = await client.stop();
    process.stderr.write(`traffic: ${summary(first)}\n`);
    expect((first.opened + last.opened) / (first.seconds + last.seconds)).toBeGreaterThan(
      slowness > 1 ? 1 : 300,
    );
    expect(Object.keys(first.by)).toEqual(['one']);
    expect(ended).toBeGreaterThanOrEqual(3);
    expect([...answerers]).toEqual(['other']);
    const whats = new Set(
      [...first.failures, ...last.failures].map(({ target, what }) => `${target}: ${what}`),
    );
    expect(whats).toEqual(
      new Set(['127.0.0.4:8080: connect: ECONNREFUSED', `127.0.0.5:8080: no connection in ${PATIENCE} ms`]),
    );
    const { opened, answered, failed } = last;
    expect(first.opened + opened).toBe(first.answered + answered + first.failed + failed);
    expect(first.held.exchanges).toBeGreaterThan(4);
  });
});
