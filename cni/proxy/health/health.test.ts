import { afterEach, describe, expect, test } from 'vitest';
import { freePort } from '../../../conformance/testing/free-port.ts';
import { FakeClock } from '../../../shared/daemon/fake-clock.ts';
import { Listener } from '../../../shared/daemon/listener.ts';
import { silentLogger } from '../../../shared/log/logger.ts';
import { ProxyHealth } from './proxy-health.ts';
import { type CheckAddress, ServiceChecks } from './service-checks.ts';

const SYNC = 30_000;

describe('healthz and livez', () => {
  const codes = (health: ProxyHealth): string =>
    `${health.healthz().isHealthy ? 200 : 503} ${health.livez().isHealthy ? 200 : 503}`;

  test('not before the lists are in; who waits for them is alive', () => {
    const health = new ProxyHealth(SYNC, new FakeClock());
    expect(codes(health)).toBe('503 200');
    health.updated(4);
    expect(codes(health)).toBe('503 200');
    health.synced();
    expect(codes(health)).toBe('200 200');
  });

  test('a change may wait for twice the sync period, in each family', async () => {
    const clock = new FakeClock();
    const health = new ProxyHealth(SYNC, clock);
    health.synced();
    health.queued(4);
    await clock.advance(2 * SYNC - 1);
    health.queued(4);
    health.queued(6);
    expect(codes(health)).toBe('200 200');
    await clock.advance(1);
    expect(codes(health)).toBe('503 503');
    health.updated(6);
    expect(codes(health)).toBe('503 503');
    health.updated(4);
    expect(codes(health)).toBe('200 200');
  });

  test('setting the clock ends nothing', () => {
    const clock = new FakeClock();
    const health = new ProxyHealth(SYNC, clock);
    health.synced();
    health.queued(4);
    clock.jump(24 * 3_600_000);
    expect(codes(health)).toBe('200 200');
  });

  test('a node that is about to go turns load balancers away and is alive', () => {
    const health = new ProxyHealth(SYNC, new FakeClock());
    health.synced();
    health.setNode(false);
    expect(codes(health)).toBe('503 200');
    expect(health.isHealthy).toBe(true);
  });

  test("kube-proxy's JSON", async () => {
    const clock = new FakeClock(Date.UTC(2026, 0, 2, 3, 4, 5, 6));
    const health = new ProxyHealth(SYNC, clock);
    expect(health.livez().body).toBe(
      '{"lastUpdated":"2026-01-02T03:04:05.006Z","currentTime":"2026-01-02T03:04:05.006Z","healthy":true}',
    );
    expect(JSON.parse(health.healthz().body)).toMatchObject({
      lastUpdated: '0001-01-01T00:00:00Z',
      healthy: false,
    });
    health.synced();
    health.updated(4);
    health.updated(6);
    health.queued(4);
    health.setNode(false);
    expect(JSON.parse(health.healthz().body)).toMatchObject({ nodeEligible: false, healthy: true });
    health.setNode(true);
    await clock.advance(2 * SYNC);
    expect(health.healthz().body).toBe(
      '{"lastUpdated":"2026-01-02T03:04:05.006Z","currentTime":"2026-01-02T03:05:05.006Z","nodeEligible":true,"healthy":false,' +
        '"status":{"IPv4":{"lastUpdated":"2026-01-02T03:04:05.006Z","healthy":false},' +
        '"IPv6":{"lastUpdated":"2026-01-02T03:04:05.006Z","healthy":true}}}',
    );
  });
});

const stack: Disposable[] = [];
afterEach(() => {
  for (const one of stack.splice(0)) one[Symbol.dispose]();
});

test('a taken port is tried again until it is free', async () => {
  const port = await freePort();
  const clock = new FakeClock();
  const make = (): Listener =>
    new Listener({
      clock,
      log: silentLogger,
      what: 'healthz',
      address: '127.0.0.1',
      port,
      answer: () => new Response('ours'),
    });
  const other = Bun.serve({ hostname: '127.0.0.1', port, fetch: () => new Response('theirs') });
  const listener = make();
  stack.push(listener);
  expect(listener.listens).toBe(false);
  await clock.advance(2000);
  expect(listener.listens).toBe(false);
  await other.stop(true);
  await clock.advance(1000);
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('ours');
});

describe("services' health checks", () => {
  test('200 with an endpoint here, 503 without and while the proxy is not healthy', async () => {
    let isHealthy = true;
    const checks = new ServiceChecks({
      clock: new FakeClock(),
      log: silentLogger,
      isHealthy: () => isHealthy,
      addresses: () => [{ address: '127.0.0.1' }],
    });
    stack.push(checks);
    const port = await freePort();
    const get = async (at = port): Promise<[number, unknown, string | null]> => {
      const response = await fetch(`http://127.0.0.1:${at}/`);
      return [
        response.status,
        await response.json(),
        response.headers.get('x-load-balancing-endpoint-weight'),
      ];
    };
    checks.set('shop/web', { port, localEndpoints: 2 });
    expect(await get()).toEqual([
      200,
      { service: { namespace: 'shop', name: 'web' }, localEndpoints: 2, serviceProxyHealthy: true },
      '2',
    ]);
    isHealthy = false;
    expect((await get())[0]).toBe(503);
    isHealthy = true;
    checks.set('shop/web', { port, localEndpoints: 0 });
    expect((await get())[0]).toBe(503);
    const next = await freePort();
    checks.set('shop/web', { port: next, localEndpoints: 1 });
    expect((await get(next))[0]).toBe(200);
    await expect(get()).rejects.toThrow();
    checks.set('shop/web', undefined);
    await expect(get(next)).rejects.toThrow();
    expect(checks.size).toBe(0);
  });

  test('the node is asked for its addresses for a check only, and checks move with them', async () => {
    let asked = 0;
    let addresses: CheckAddress[] = [{ address: '127.0.0.1' }];
    const checks = new ServiceChecks({
      clock: new FakeClock(),
      log: silentLogger,
      isHealthy: () => true,
      addresses: () => {
        asked += 1;
        return addresses;
      },
    });
    stack.push(checks);
    for (let n = 0; n < 100; n += 1) checks.set(`shop/s${n}`, undefined);
    checks.moved();
    expect(asked).toBe(0);
    const port = await freePort();
    checks.set('shop/web', { port, localEndpoints: 1 });
    checks.set('shop/web', { port, localEndpoints: 2 });
    checks.moved();
    expect(asked).toBe(2);
    addresses = [{ address: '127.0.0.2' }];
    checks.moved();
    const [status, weight] = await fetch(`http://127.0.0.2:${port}/`).then((response) => [
      response.status,
      response.headers.get('x-load-balancing-endpoint-weight'),
    ]);
    expect([status, weight]).toEqual([200, '2']);
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
  });

  test('an unspecified address may be of one family', async () => {
    const reached = async (address: CheckAddress): Promise<boolean[]> => {
      const checks = new ServiceChecks({
        clock: new FakeClock(),
        log: silentLogger,
        isHealthy: () => true,
        addresses: () => [address],
      });
      const port = await freePort();
      checks.set('shop/web', { port, localEndpoints: 1 });
      const answers = ['127.0.0.1', '[::1]'].map((host) =>
        fetch(`http://${host}:${port}/`).then(
          () => true,
          () => false,
        ),
      );
      const told = await Promise.all(answers);
      checks[Symbol.dispose]();
      return told;
    };
    expect(await reached({ address: '0.0.0.0' })).toEqual([true, true]);
    expect(await reached({ address: '0.0.0.0', family: 4 })).toEqual([true, false]);
    expect(await reached({ address: '::', family: 6 })).toEqual([false, true]);
  });
});
