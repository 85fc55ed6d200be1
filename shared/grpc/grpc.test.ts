import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { Client, credentials } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from 'vitest';
import { Channel } from './channel.ts';
import { parseEndpoint } from './endpoint.ts';
import { isCancelled, isDeadlineExceeded, isRpcError, isUnavailable, RpcError } from './error.ts';
import { RpcServer, type ServerCall } from './server.ts';
import {
  type DuplexMethod,
  type MessageType,
  messageType,
  type ServerStreamMethod,
  type UnaryMethod,
} from './wire/schema.ts';

interface Text {
  readonly text: string;
}
const Text: MessageType<Text> = messageType('test.Text', [[1, 'text', 'one', 'string']]);
const common = { request: Text, response: Text } as const;
const echo: UnaryMethod<Text, Text> = { path: '/test.Test/Echo', streams: 'none', ...common };
const count: ServerStreamMethod<Text, Text> = { path: '/test.Test/Count', streams: 'server', ...common };
const talk: DuplexMethod<Text, Text> = { path: '/test.Test/Talk', streams: 'both', ...common };

const directory = mkdtempSync(`${tmpdir()}/grpc-test-`);
const undo: (() => unknown)[] = [() => rmSync(directory, { recursive: true })];
let sockets = 0;

afterEach(async () => {
  for (const step of undo.splice(1).reverse()) await step();
});

function newPath(): string {
  sockets += 1;
  return `${directory}/${sockets}.sock`;
}

/** A server whose calls are counted; `hang` never answers, `sent` says how far `count` came. */
class TestServer {
  readonly server = new RpcServer();
  readonly seen: string[] = [];
  readonly ended: string[] = [];
  sent = 0;
  path = newPath();

  constructor() {
    this.server.unary(echo, async ({ text }, call) => {
      this.seen.push(text);
      if (text === 'hang') await aborted(call, () => this.ended.push('hang'));
      if (text === 'refuse') throw new RpcError('FAILED_PRECONDITION', 'not today');
      if (text === 'bug') throw new TypeError('of mine');
      return { text: `${text}${call.metadata.get('who') ?? ''}` };
    });
    this.server.serverStream(count, ({ text }, call) => this.#count(Number(text), call));
    this.server.duplex(talk, async function* (requests) {
      for await (const { text } of requests) yield { text: text.toUpperCase() };
    });
    undo.push(() => this.server.stop(0));
  }

  async start(): Promise<this> {
    await this.server.listen(this.path);
    return this;
  }

  async *#count(to: number, call: ServerCall): AsyncGenerator<Text> {
    for (let n = 1; n <= to && !call.signal.aborted; n++) {
      this.sent = n;
      yield { text: `${n}`.padEnd(1000, ' ') };
    }
    if (to === 0) await aborted(call, () => this.ended.push('count'));
  }
}

function aborted({ signal }: ServerCall, done: () => void): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => {
      done();
      resolve();
    });
  });
}

function channel(...paths: string[]): Channel {
  const made = new Channel({ endpoints: paths.map((path) => `unix://${path}`), timeoutMs: 3000 });
  undo.push(() => made[Symbol.dispose]());
  return made;
}

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 5000; !condition(); ) {
    if (Date.now() > deadline) throw new Error('it never came true');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const failure = (error: unknown): unknown => error;

describe('one answer', () => {
  test('comes back, metadata and all', async () => {
    const { path } = await new TestServer().start();
    expect(await channel(path).unary(echo, { text: 'hä' }, { metadata: { who: 'me' } })).toEqual({
      text: 'häme',
    });
  });

  test("carries the other side's error, and hides no bug of it", async () => {
    const { path } = await new TestServer().start();
    const client = channel(path);
    const refused = await client.unary(echo, { text: 'refuse' }).catch(failure);
    expect(refused).toMatchObject({ code: 'FAILED_PRECONDITION', details: 'not today' });
    expect(String(refused)).toBe(`RpcError: Echo of unix://${path}: not today (FAILED_PRECONDITION)`);
    expect(await client.unary(echo, { text: 'bug' }).catch(failure)).toMatchObject({ code: 'INTERNAL' });
    expect(
      isRpcError(
        await client.unary({ ...echo, path: '/test.Test/Nothing' }, {}).catch(failure),
        'UNIMPLEMENTED',
      ),
    ).toBe(true);
  });

  test('that does not come in time is given up on both sides', async () => {
    const server = await new TestServer().start();
    const late = await channel(server.path).unary(echo, { text: 'hang' }, { timeoutMs: 50 }).catch(failure);
    expect(isDeadlineExceeded(late)).toBe(true);
    await until(() => server.ended.length === 1);
  });

  test('is given up when the caller says so', async () => {
    const server = await new TestServer().start();
    const abort = new AbortController();
    const call = channel(server.path).unary(echo, { text: 'hang' }, { signal: abort.signal }).catch(failure);
    await until(() => server.seen.length === 1);
    abort.abort();
    expect(isCancelled(await call)).toBe(true);
    await until(() => server.ended.length === 1);
    const none = await channel(server.path).unary(echo, {}, { signal: abort.signal }).catch(failure);
    expect(isCancelled(none)).toBe(true);
    expect(server.seen).toHaveLength(1);
  });

  test('may be large', async () => {
    const { path } = await new TestServer().start();
    const text = 'x'.repeat(8_000_000);
    expect((await channel(path).unary(echo, { text })).text.length).toBe(text.length);
  });
});

describe('several addresses', () => {
  test('what may be repeated is asked of the next one at once, anything else from the next call on', async () => {
    const { path } = await new TestServer().start();
    expect(await channel(newPath(), path).unary(echo, { text: 'a' }, { repeatable: true })).toEqual({
      text: 'a',
    });
    const careful = channel(newPath(), path);
    expect(isUnavailable(await careful.unary(echo, { text: 'b' }).catch(failure))).toBe(true);
    expect(await careful.unary(echo, { text: 'b' })).toEqual({ text: 'b' });
  });

  test('a stream looks for one that answers', async () => {
    const { path } = await new TestServer().start();
    const texts: string[] = [];
    for await (const { text } of channel(newPath(), path).serverStream(count, { text: '3' }))
      texts.push(text.trim());
    expect(texts).toEqual(['1', '2', '3']);
  });

  test('one that takes connections and says nothing is left for the next', async () => {
    const { path } = await new TestServer().start();
    const silent = newPath();
    const listener = createServer(() => {}).listen(silent);
    undo.push(() => listener.close());
    const client = new Channel({ endpoints: [`unix://${silent}`, `unix://${path}`], timeoutMs: 200 });
    undo.push(() => client[Symbol.dispose]());
    expect(await client.unary(echo, { text: 'a' }, { repeatable: true })).toEqual({ text: 'a' });
  });

  test('a server that comes back is found by the next call, without waiting', async () => {
    const server = await new TestServer().start();
    const client = channel(server.path);
    await client.unary(echo, { text: 'a' });
    await server.server.stop(0);
    for (let n = 0; n < 10; n++)
      expect(isUnavailable(await client.unary(echo, {}).catch(failure))).toBe(true);
    const next = new TestServer();
    next.path = server.path;
    await next.start();
    const before = Date.now();
    expect(await client.unary(echo, { text: 'b' })).toEqual({ text: 'b' });
    expect(Date.now() - before).toBeLessThan(1000);
  });

  test('what is no address says so', () => {
    expect(() => parseEndpoint('127.0.0.1:2379')).toThrow(/no address of a server: write http/);
    expect(parseEndpoint('https://etcd.example').target).toBe('dns:etcd.example:443');
    expect(parseEndpoint('http://[::1]:2379').target).toBe('dns:[::1]:2379');
  });
});

describe('streams', () => {
  test('what nobody takes holds the sender up', async () => {
    const server = await new TestServer().start();
    const answers = channel(server.path).serverStream(count, { text: '100000' });
    for (let n = 1; n <= 5; n++) expect((await answers.next()).value?.text.trim()).toBe(`${n}`);
    let before = -1;
    while (before !== server.sent) {
      before = server.sent;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    // 1 kB each, through two windows of 64 kB and a few buffers.
    expect(server.sent).toBeLessThan(5000);
    await answers.return();
  });

  test('leaving the loop ends the call', async () => {
    const server = await new TestServer().start();
    for await (const _ of channel(server.path).serverStream(count, { text: '1000000' })) break;
    await until(() => server.sent < 1_000_000);
    const abort = new AbortController();
    const waiting = channel(server.path).serverStream(count, { text: '0' }, { signal: abort.signal }).next();
    await channel(server.path).unary(echo, { text: 'x' });
    setTimeout(() => abort.abort(), 20);
    expect(await waiting).toEqual({ done: true, value: undefined });
    await until(() => server.ended.length === 1);
  });

  test('both sides speak', async () => {
    const { path } = await new TestServer().start();
    using stream = await channel(path).duplex(talk);
    const answers = stream[Symbol.asyncIterator]();
    await stream.send({ text: 'a' });
    expect((await answers.next()).value).toEqual({ text: 'A' });
    await stream.send({ text: 'b' });
    stream.end();
    expect((await answers.next()).value).toEqual({ text: 'B' });
    expect((await answers.next()).done).toBe(true);
  });

  test('a server that ends ends them as unavailable', async () => {
    const server = await new TestServer().start();
    const waiting = channel(server.path).serverStream(count, { text: '0' }).next().catch(failure);
    const client = channel(server.path);
    await client.unary(echo, { text: 'x' });
    await server.server.stop(0);
    expect(isRpcError(await waiting, 'UNAVAILABLE', 'CANCELLED')).toBe(true);
  });
});

describe('the server', () => {
  test('is for root alone, takes the place of a dead one, and not of a living one', async () => {
    const first = await new TestServer().start();
    expect(statSync(first.path).mode & 0o777).toBe(0o600);
    const rival = new TestServer();
    rival.path = first.path;
    await expect(rival.start()).rejects.toThrow(/in use by another process/);
    const dead = Bun.spawnSync([
      'sh',
      '-c',
      `exec "$0" -e 'require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, 9))' "$1"`,
      process.execPath,
      `${directory}/dead.sock`,
    ]);
    expect(dead.signalCode).toBe('SIGKILL');
    const heir = new TestServer();
    heir.path = `${directory}/dead.sock`;
    await heir.start();
    expect(await channel(heir.path).unary(echo, { text: 'a' })).toEqual({ text: 'a' });
  });

  test.each(['localhost', '%2Frun%2Fcsi.sock', 'unix:', ''])('bears :authority %j', async (authority) => {
    const { path } = await new TestServer().start();
    const client = new Client(`unix:${path}`, credentials.createInsecure(), {
      'grpc.default_authority': authority,
    });
    undo.push(() => client.close());
    const same = (bytes: Buffer): Buffer => bytes;
    const answer = new Promise((resolve, reject) => {
      client.makeUnaryRequest(echo.path, same, same, Buffer.from('0a0161', 'hex'), (error, bytes) => {
        if (error) reject(error);
        else resolve(bytes?.toString('hex'));
      });
    });
    expect(await answer).toBe('0a0161');
  });

  test('lets calls end before it stops', async () => {
    const server = await new TestServer().start();
    const client = channel(server.path);
    const iterator = client.serverStream(count, { text: '50' });
    await iterator.next();
    const stopped = server.server.stop(5000);
    let last: string | undefined;
    for await (const { text } of iterator) last = text.trim();
    expect(last).toBe('50');
    await stopped;
  });
});
