import { expect, test } from 'vitest';
import { KubeClient } from './client.ts';
import {
  isGone,
  isServerError,
  isTooManyRequests,
  isUnauthorized,
  isUnreachable,
  type KubeError,
} from './errors.ts';
import { NODES } from './resource.ts';
import { FakeApiServer } from './testing/fake-api-server.ts';
import { clientOf } from './testing/fake-client.ts';
import { describeKubeApi } from './testing/kube-contract.ts';
import { TestClock, until } from './testing/test-clock.ts';
import type { Node } from './types.ts';

describeKubeApi('the fake API server', async () => {
  const server = new FakeApiServer();
  return {
    client: clientOf(server),
    compact: async () => server.compact(),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
});

const node = (name: string): Node => ({ metadata: { name } });
const nameOf = ({ metadata }: Node): string => metadata.name;
const failure = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);

test('a server that asks for patience is asked again when it said', async () => {
  await using server = new FakeApiServer();
  const clock = new TestClock();
  const client = clientOf(server, clock);
  using _ = server.inject({ times: 2, answer: { code: 429, retryAfterS: 3 } });
  const created = client.create(NODES, node('a'));
  await until('the first wait', () => clock.timers.includes(3000));
  clock.advance(2999);
  expect(server.requests).toHaveLength(1);
  clock.advance(1);
  await until('the second wait', () => server.requests.length === 2 && clock.timers.includes(3000));
  clock.advance(3000);
  expect((await created).metadata.name).toBe('a');
});

test('what the server refuses is told apart', async () => {
  await using server = new FakeApiServer({ token: 'right' });
  const clock = new TestClock();
  const client = clientOf(server, clock);
  const codes = [429, 500, 503, 410];
  const errors: unknown[] = [];
  for (const code of codes) {
    using _ = server.inject({ answer: { code, reason: 'Fault' } });
    errors.push(await failure(client.get(NODES, { name: 'a' })));
  }
  expect(errors.map(isTooManyRequests)).toEqual([true, false, false, false]);
  expect(errors.map(isServerError)).toEqual([false, true, true, false]);
  expect(errors.map(isGone)).toEqual([false, false, false, true]);
  expect(String(errors[1])).toBe(`KubeError: GET ${server.url}/api/v1/nodes/a: 500 Fault: as the test asked`);
  const access = {
    server: server.url,
    current: async () => ({ server: server.url, headers: {} }),
    refused: () => {},
  };
  const stranger = new KubeClient({ access, clock, userAgent: 'test' });
  expect(isUnauthorized(await failure(stranger.get(NODES, { name: 'a' })))).toBe(true);
  await server.stop();
  const gone = await failure(client.get(NODES, { name: 'a' }));
  expect([isUnreachable(gone), (gone as KubeError).reason]).toEqual([true, 'Unreachable']);
});

test('a server that hangs does not hang us: no answer, and a list that stops in the middle', async () => {
  await using server = new FakeApiServer();
  const clock = new TestClock();
  const client = clientOf(server, clock);
  {
    using _ = server.inject({ answer: 'hang' });
    const asked = failure(client.get(NODES, { name: 'a' }));
    await until('the request', () => server.requests.length === 1);
    clock.advance(30_000);
    expect(await asked).toMatchObject({ reason: 'Timeout', code: 0 });
  }
  server.watches.freeze(true);
  const watch = client.watch(NODES, { resourceVersion: String(server.store.version) });
  const next = failure(watch.next());
  await until('the watch', () => server.watches.size === 1 && clock.timers.includes(130_000));
  clock.advance(130_000);
  expect(await next).toMatchObject({ reason: 'Timeout' });
  await until('the end of the connection', () => server.watches.size === 0);
});

test('a slow server is waited for, as long as it comes to an end', async () => {
  await using server = new FakeApiServer();
  const clock = new TestClock();
  const client = clientOf(server, clock);
  await client.create(NODES, node('a'));
  const begins = Promise.withResolvers<void>();
  using _ = server.inject({ answer: { after: begins.promise, everyMs: 1 } });
  const asked = client.list(NODES, nameOf);
  await until('the request', () => server.requests.length === 2);
  clock.advance(29_000);
  begins.resolve();
  expect((await asked).items).toEqual(['a']);
  // An end that never comes: there is something to hear all the time.
  const endless = failure(client.list(NODES, nameOf));
  for (let seconds = 0; seconds < 90; seconds += 18) {
    await until('a byte', () => clock.timers.includes(30_000));
    clock.advance(18_000);
  }
  expect(await endless).toMatchObject({
    reason: 'Timeout',
    message: expect.stringContaining('not complete'),
  });
});

test('a watch is told of what comes byte by byte', async () => {
  await using server = new FakeApiServer();
  const clock = new TestClock();
  const client = clientOf(server, clock);
  using _ = server.inject({ when: ({ method }) => method === 'GET', answer: { everyMs: 1 } });
  const watch = client.watch(NODES, { resourceVersion: String(server.store.version) });
  const next = watch.next();
  await until('the watch', () => server.watches.size === 1 && clock.timers.includes(130_000));
  await client.create(NODES, node('a'));
  expect((await next).value?.map(({ type, object }) => `${type} ${nameOf(object)}`)).toEqual(['ADDED a']);
  await watch.return();
});

test('bookmarks keep a quiet watch alive', async () => {
  await using server = new FakeApiServer();
  const clock = new TestClock();
  const client = clientOf(server, clock);
  const watch = client.watch(NODES, { resourceVersion: String(server.store.version) });
  for (let minute = 0; minute < 4; minute++) {
    const next = watch.next();
    await until('the watch', () => server.watches.size === 1 && clock.timers.includes(130_000));
    clock.advance(60_000);
    server.watches.bookmark();
    expect((await next).value?.map(({ type }) => type)).toEqual(['BOOKMARK']);
  }
  await watch.return();
});

test('what is aborted ends at once, with the reason given', async () => {
  await using server = new FakeApiServer();
  const client = clientOf(server, new TestClock());
  using _ = server.inject({ answer: 'hang' });
  const stop = new AbortController();
  const asked = failure(client.get(NODES, { name: 'a', signal: stop.signal }));
  const watched = client.watch(NODES, { resourceVersion: '5', signal: stop.signal }).next();
  await until('the requests', () => server.requests.length === 2);
  stop.abort(new Error('enough'));
  expect(String(await asked)).toBe('Error: enough');
  expect((await watched).done).toBe(true);
});

test('a list whose rest was compacted away is read in one piece', async () => {
  await using server = new FakeApiServer();
  const client = clientOf(server);
  for (const name of ['a', 'b', 'c']) await client.create(NODES, node(name));
  let compacted = false;
  using _ = server.inject({
    // Just before the second page.
    when: ({ query }) => {
      if (query.has('continue') && !compacted) {
        compacted = true;
        server.compact();
      }
      return false;
    },
    answer: 'hang',
  });
  expect((await client.list(NODES, nameOf, { limit: 2 })).items).toEqual(['a', 'b', 'c']);
  expect(server.requests.slice(-3).map(({ query }) => query.get('limit'))).toEqual(['2', '2', null]);
});

test('an answer that is no list, or no JSON, is an error that names the request', async () => {
  using server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('<html>') });
  const url = `http://127.0.0.1:${server.port}`;
  const access = { server: url, current: async () => ({ server: url, headers: {} }), refused: () => {} };
  const client = new KubeClient({ access, clock: new TestClock(), userAgent: 'test' });
  const what = `KubeError: GET ${url}/api/v1/nodes`;
  expect(String(await failure(client.list(NODES, nameOf)))).toContain(`${what}: the answer is no list`);
  expect(String(await failure(client.get(NODES, { name: 'a' })))).toBe(`${what}/a: the answer is no JSON`);
});
