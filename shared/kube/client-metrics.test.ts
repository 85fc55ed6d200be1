import { expect, test } from 'vitest';
import { KubeClient } from './client.ts';
import { ClientMetrics } from './client-metrics.ts';
import { NODES } from './resource.ts';
import { FakeApiServer } from './testing/fake-api-server.ts';
import { accessTo } from './testing/fake-client.ts';
import { TestClock, until } from './testing/test-clock.ts';

/** @returns the samples of a metric, without its prefix and the host, sorted */
async function samples(metrics: ClientMetrics, name: string): Promise<string[]> {
  return (await metrics.expose())
    .split('\n')
    .filter((line) => line.startsWith(`rest_client_${name}{`))
    .map((line) => line.slice(`rest_client_${name}`.length).replace(/,?host="127\.0\.0\.1:\d+"/, ''))
    .sort();
}

test("requests are counted as client-go's: every attempt by its answer, a request once by its time and size", async () => {
  await using server = new FakeApiServer();
  const [metrics, clock] = [new ClientMetrics(), new TestClock()];
  const client = new KubeClient({ access: accessTo(server), clock, userAgent: 'test', observer: metrics });
  {
    using _ = server.inject({ times: 1, answer: { code: 429, retryAfterS: 3 } });
    const created = client.create(NODES, { metadata: { name: 'a' } });
    await until('the wait', () => clock.timers.includes(3000));
    clock.advance(3000);
    await created;
  }
  await client.list(NODES, () => undefined);
  await client.get(NODES, { name: 'none' }).catch(() => {});
  expect(await samples(metrics, 'requests_total')).toEqual([
    '{code="200",method="GET"} 1',
    '{code="201",method="POST"} 1',
    '{code="404",method="GET"} 1',
    '{code="429",method="POST"} 1',
  ]);
  expect(await samples(metrics, 'request_retries_total')).toEqual(['{code="201",verb="POST"} 1']);
  expect(await samples(metrics, 'request_duration_seconds_count')).toEqual([
    '{verb="GET"} 2',
    '{verb="POST"} 1',
  ]);
  expect(await samples(metrics, 'request_size_bytes_sum')).toEqual(['{verb="POST"} 50']);
  expect(await samples(metrics, 'response_size_bytes_count')).toEqual(['{verb="GET"} 2', '{verb="POST"} 1']);
});

test('a watch counts as a request and has no duration; a server that is gone is an error', async () => {
  const server = new FakeApiServer();
  const [metrics, clock] = [new ClientMetrics(), new TestClock()];
  const client = new KubeClient({ access: accessTo(server), clock, userAgent: 'test', observer: metrics });
  const { resourceVersion } = await client.list(NODES, () => undefined);
  const stop = new AbortController();
  const watch = client.watch(NODES, { resourceVersion, signal: stop.signal, onOpen: () => stop.abort() });
  for await (const _ of watch);
  expect(await samples(metrics, 'requests_total')).toEqual(['{code="200",method="GET"} 2']);
  expect(await samples(metrics, 'request_duration_seconds_count')).toEqual(['{verb="GET"} 1']);
  await server.stop();
  await client.get(NODES, { name: 'a' }).catch(() => {});
  expect(await samples(metrics, 'requests_total')).toEqual([
    '{code="200",method="GET"} 2',
    '{code="<error>",method="GET"} 1',
  ]);
});
