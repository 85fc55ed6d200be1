/** An API server that is slow, hangs, forgets and comes back as another; and a clock that somebody sets. */

import { describe, expect, onTestFinished, test } from 'vitest';
import { type Clock, systemClock } from '../../shared/daemon/clock.ts';
import { formatEndpoint } from './model/endpoint.ts';
import { answerHealth, answerMetrics } from './serve/http.ts';
import type { ServiceProxy } from './service-proxy.ts';
import { Bench } from './testing/bench.ts';
import { until } from './testing/until.ts';

function bench(): Bench {
  const one = new Bench();
  onTestFinished(() => one[Symbol.asyncDispose]());
  one.api.put('Node', 'n1');
  return one;
}

const status = (proxy: ServiceProxy, what: 'healthz' | 'livez'): number =>
  answerHealth(proxy, new Request(`http://x/${what}`)).status;
const endpoints = ({ kernel }: Bench, name: string): string[] | undefined =>
  kernel.tables.get(4)?.get(`default/${name}`)?.endpoints.map(formatEndpoint);
const ready = (proxy: ServiceProxy): Promise<void> => until('ready', () => proxy.health.isSynced);
const isServices = ({ path }: { path: string }): boolean => path.endsWith('/services');
const isSlices = ({ path }: { path: string }): boolean => path.endsWith('/endpointslices');

describe('an API server', () => {
  test.each([
    ['services', isServices],
    ['endpoints', isSlices],
  ])(
    'whose list of %s comes drop by drop is waited for, and nothing is programmed of half of it',
    async (_, when) => {
      const b = bench();
      for (let n = 0; n < 20; n += 1) {
        b.api.service(`s${n}`, `10.96.0.${n + 1}`);
        b.api.slice(`s${n}`, `10.244.1.${n + 1}@n1`);
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      using _slow = b.api.server.inject({ when, answer: { after: promise, everyMs: 2, bytes: 16 } });
      const { proxy } = b.start();
      await until('one of the lists', () => b.api.server.requests.filter(when).length > 0);
      await Bun.sleep(20);
      expect(b.kernel.calls).toEqual([]);
      expect([status(proxy, 'healthz'), status(proxy, 'livez')]).toEqual([503, 200]);
      resolve();
      await ready(proxy);
      expect(b.kernel.calls.filter((call) => call.startsWith('v4'))).toEqual(['v4 replace']);
      expect(b.kernel.names(4)).toHaveLength(20);
      expect(b.kernel.names(4).every((name) => endpoints(b, name.split('/')[1] ?? '')?.length === 1)).toBe(
        true,
      );
    },
  );

  test('that refuses one list for a while keeps all of it waiting, and is told of', async () => {
    const b = bench();
    b.api.service('web', '10.96.0.10');
    b.api.slice('web', '10.244.1.2@n1');
    const failing = b.api.server.inject({ when: isSlices, answer: { code: 503 } });
    const { proxy } = b.start();
    await until('the refusal', () => proxy.sourceError !== undefined);
    expect(b.kernel.calls).toEqual([]);
    failing[Symbol.dispose]();
    await ready(proxy);
    expect(endpoints(b, 'web')).toEqual(['10.244.1.2:8080']);
    await until('all well', () => proxy.isConnected);
  });

  test('that forgets its history (410) while nobody could watch is listed again: what is gone goes', async () => {
    const b = bench();
    for (const name of ['stays', 'goes', 'changes']) b.api.service(name, '10.96.0.10');
    b.api.service('goes', '10.96.0.11');
    b.api.service('changes', '10.96.0.12');
    b.api.slice('stays', '10.244.1.2@n1', '10.244.2.2@n2');
    b.api.slice('goes', '10.244.1.3@n1');
    const { proxy } = b.start();
    await ready(proxy);
    await proxy.idle();
    b.kernel.calls.splice(0);
    await b.api.server.stop();
    b.api.delete('Service', 'goes');
    b.api.delete('EndpointSlice', 'goes-1');
    b.api.slice('stays', '10.244.2.2@n2');
    b.api.service('changes', '10.96.0.13');
    b.api.service('comes', '10.96.0.11');
    b.api.server.compact();
    b.api.server.start();
    await until('the new lists', () => b.kernel.names(4).includes('default/comes'));
    await until('all of it', () => endpoints(b, 'stays')?.length === 1);
    await until('the deletion', () => !b.kernel.names(4).includes('default/goes'));
    await proxy.idle();
    expect(b.kernel.names(4)).toEqual(['default/changes', 'default/comes', 'default/stays']);
    // One after the other, and never all of it anew.
    expect(b.kernel.calls.every((call) => call.startsWith('v4 update'))).toBe(true);
  });

  test('that hangs keeps what is programmed; what happened meanwhile counts when it answers again', async () => {
    const b = bench();
    b.api.service('web', '10.96.0.10');
    b.api.slice('web', '10.244.1.2@n1');
    const { proxy } = b.start();
    await ready(proxy);
    await proxy.idle();
    b.kernel.calls.splice(0);
    const hung = b.api.server.inject({ answer: 'hang' });
    await b.api.server.stop();
    b.api.server.start();
    b.api.slice('web', '10.244.2.2@n2');
    await until('somebody asks in vain', () => b.api.server.requests.slice(-3).some(isSlices));
    expect(b.kernel.calls).toEqual([]);
    expect([status(proxy, 'healthz'), status(proxy, 'livez')]).toEqual([200, 200]);
    hung[Symbol.dispose]();
    // Whoever is hung up on asks again.
    await b.api.server.stop();
    b.api.server.start();
    await until('the change', () => endpoints(b, 'web')?.[0] === '10.244.2.2:8080');
  });

  test('that is replaced by one with less in it takes away what that lacks, once both lists are whole', async () => {
    const b = bench();
    for (let n = 0; n < 10; n += 1) {
      b.api.service(`s${n}`, `10.96.0.${n + 1}`);
      b.api.slice(`s${n}`, `10.244.1.${n + 1}@n1`);
    }
    const { proxy } = b.start();
    await ready(proxy);
    await proxy.idle();
    await b.api.server.stop();
    for (let n = 1; n < 10; n += 1) b.api.delete('Service', `s${n}`);
    b.api.server.compact();
    // Half a list is no list.
    const cut = b.api.server.inject({ when: isServices, answer: { code: 500 } });
    b.api.server.start();
    await until('the slices', () => b.api.server.requests.slice(-4).some(isSlices));
    expect(b.kernel.names(4)).toHaveLength(10);
    cut[Symbol.dispose]();
    await until('the rest', () => b.kernel.names(4).length === 1);
    expect(endpoints(b, 's0')).toEqual(['10.244.1.1:8080']);
  });
});

test.each([
  ['a day back', -86_400_000],
  ['a year on', 365 * 86_400_000],
])('a clock that is set %s delays nothing and makes nobody ill', async (_, jump) => {
  let offset = 0;
  const clock: Clock = { ...systemClock, now: () => Date.now() + offset };
  const b = bench();
  b.api.service('web', '10.96.0.10');
  b.api.slice('web', '10.244.1.2@n1');
  const { proxy } = b.start(['--iptables-sync-period=100ms', '--iptables-min-sync-period=0'], clock);
  await ready(proxy);
  b.kernel.refused.add('default/bad');
  offset = jump;
  b.api.service('bad', '10.96.0.20');
  b.api.slice('web', '10.244.2.2@n2');
  await until('the change', () => endpoints(b, 'web')?.[0] === '10.244.2.2:8080');
  b.kernel.refused.clear();
  await until('the next attempt', () => b.kernel.names(4).includes('default/bad'));
  b.kernel.failures.push(new Error('EBUSY'));
  b.api.slice('web', '10.244.2.3@n2');
  await until('the attempt after a failure', () => endpoints(b, 'web')?.[0] === '10.244.2.3:8080');
  expect(status(proxy, 'healthz')).toBe(200);
  const text = await (await answerMetrics(proxy, new Request('http://x/metrics'))).text();
  expect(text).not.toMatch(/_(sum|count|bucket)\b.* -\d/);
  offset = 0;
  b.api.slice('web', '10.244.2.4@n2');
  await until('the change after it is set right', () => endpoints(b, 'web')?.[0] === '10.244.2.4:8080');
  expect(status(proxy, 'healthz')).toBe(200);
});
