import { readdirSync, statSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import {
  ControllerCalls,
  GroupControllerCalls,
  IdentityCalls,
  NodeCalls,
  PluginCapabilityServiceType,
} from '#messages/csi';
import { TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { Channel } from '../../shared/grpc/channel.ts';
import { CODE, RpcError } from '../../shared/grpc/error.ts';
import { createLogger } from '../../shared/log/logger.ts';
import { GuardedCalls } from './calls.ts';
import type { CallContext, Driver } from './handlers.ts';
import { identityHandlers } from './identity.ts';
import { serveDriver } from './serve.ts';

const stack: AsyncDisposableStack[] = [];

afterEach(async () => {
  await stack.pop()?.disposeAsync();
});

type Seen = readonly [method: string, code: string];

interface Served {
  readonly socket: string;
  readonly channel: Channel;
  readonly calls: Seen[];
  readonly lines: string[];
  readonly directory: TemporaryDirectory;
}

/** Serves a driver whose calls are as given. */
async function serve(parts: Partial<Driver> = {}): Promise<Served> {
  const undo = new AsyncDisposableStack();
  stack.push(undo);
  const directory = undo.use(new TemporaryDirectory());
  const socket = directory.join('csi.sock');
  const calls: Seen[] = [];
  const lines: string[] = [];
  const driver: Driver = {
    name: 'test.underpod.io',
    version: '1',
    identity: identityHandlers({
      name: 'test.underpod.io',
      version: '1',
      hasTopology: true,
      hasGroups: false,
      expandsOnline: false,
      probe: async () => true,
    }),
    controller: {},
    node: {},
    ...parts,
  };
  const log = createLogger('test', { level: 'debug', sink: (line) => lines.push(line) });
  undo.use(
    await serveDriver(
      new GuardedCalls(driver, {
        log,
        onCall: (method, code) => calls.push([method.split('/')[2] ?? '', code]),
      }),
      socket,
    ),
  );
  const channel = undo.use(new Channel({ endpoints: [`unix://${socket}`], timeoutMs: 5000 }));
  return { socket, channel, calls, lines, directory };
}

const failure = (error: unknown): RpcError => RpcError.from(error);
/** How a call failed; undefined: it did not. */
const codeOf = (call: Promise<object>): Promise<string | undefined> =>
  call.then(
    () => undefined,
    (error: unknown) => RpcError.from(error).code,
  );

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 5000; !condition(); ) {
    if (Date.now() > deadline) throw new Error('it never came true');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('the socket', () => {
  test('is for root alone, and nothing else is left beside it', async () => {
    const { socket, directory } = await serve();
    expect(statSync(socket).mode & 0o7777).toBe(0o600);
    expect(readdirSync(directory.path)).toEqual(['csi.sock']);
  });

  test('of a driver that runs is not taken away', async () => {
    const { socket, channel } = await serve();
    const log = createLogger('test', { sink: () => undefined });
    const second: Driver = { name: 'x', version: '1', identity: {}, controller: {}, node: {} };
    await expect(serveDriver(new GuardedCalls(second, { log }), socket)).rejects.toThrow('in use');
    expect((await channel.unary(IdentityCalls.getPluginInfo, {})).name).toBe('test.underpod.io');
  });
});

describe('calls', () => {
  test('Identity', async () => {
    const { channel } = await serve();
    expect(await channel.unary(IdentityCalls.getPluginInfo, {})).toMatchObject({ name: 'test.underpod.io' });
    expect(await channel.unary(IdentityCalls.probe, {})).toEqual({ ready: { value: true } });
    const { capabilities } = await channel.unary(IdentityCalls.getPluginCapabilities, {});
    expect(capabilities.map(({ service }) => service?.type)).toEqual([
      PluginCapabilityServiceType.CONTROLLER_SERVICE,
      PluginCapabilityServiceType.VOLUME_ACCESSIBILITY_CONSTRAINTS,
    ]);
  });

  test('a driver that cannot work says so when it is asked', async () => {
    const { identity } = {
      identity: identityHandlers({
        name: 'x.y',
        version: '1',
        hasTopology: false,
        hasGroups: true,
        expandsOnline: true,
        probe: () => Promise.reject(new RpcError('FAILED_PRECONDITION', 'the pool is gone')),
      }),
    };
    const { channel } = await serve({ identity });
    expect(await channel.unary(IdentityCalls.probe, {}).catch(failure)).toMatchObject({
      code: 'FAILED_PRECONDITION',
      details: 'the pool is gone',
    });
  });

  test('what a driver does not do is UNIMPLEMENTED, whatever is asked', async () => {
    const { channel, calls } = await serve();
    const asked = [
      channel.unary(ControllerCalls.createVolume, {}),
      channel.unary(ControllerCalls.controllerPublishVolume, { volumeId: 'v' }),
      channel.unary(NodeCalls.nodeGetInfo, {}),
      // A service that the driver has not at all.
      channel.unary(GroupControllerCalls.getVolumeGroupSnapshot, { groupSnapshotId: 'g' }),
    ];
    for (const call of asked) expect(await codeOf(call)).toBe('UNIMPLEMENTED');
    expect(calls).toEqual([
      ['CreateVolume', 'UNIMPLEMENTED'],
      ['ControllerPublishVolume', 'UNIMPLEMENTED'],
      ['NodeGetInfo', 'UNIMPLEMENTED'],
    ]);
  });

  test('a request that is none never reaches the driver', async () => {
    let reached = 0;
    const deleteVolume = async (): Promise<object> => {
      reached++;
      return {};
    };
    const { channel } = await serve({ controller: { deleteVolume } });
    for (const volumeId of ['', 'x'.repeat(129), 'a\0b'])
      expect(await codeOf(channel.unary(ControllerCalls.deleteVolume, { volumeId }))).toBe(
        'INVALID_ARGUMENT',
      );
    expect(reached).toBe(0);
    expect(await channel.unary(ControllerCalls.deleteVolume, { volumeId: 'v' })).toEqual({});
    expect(reached).toBe(1);
  });

  test('of two about one volume the second begins when the first has ended, and others do not wait', async () => {
    const gates = new Map<string, PromiseWithResolvers<void>>();
    const began: string[] = [];
    const deleteVolume = async ({
      volumeId,
      secrets,
    }: {
      volumeId: string;
      secrets: Record<string, string>;
    }): Promise<object> => {
      const name = `${volumeId}${secrets['n'] ?? ''}`;
      const gate = Promise.withResolvers<void>();
      gates.set(name, gate);
      began.push(name);
      await gate.promise;
      return {};
    };
    const { channel } = await serve({ controller: { deleteVolume } });
    const call = (volumeId: string, n: string): Promise<object> =>
      channel.unary(ControllerCalls.deleteVolume, { volumeId, secrets: { n } });
    const first = call('v', '1');
    await until(() => began.length === 1);
    const second = call('v', '2');
    const other = call('w', '1');
    await until(() => began.length === 2);
    expect(began).toEqual(['v1', 'w1']);
    gates.get('v1')?.resolve();
    await first;
    await until(() => began.length === 3);
    expect(began[2]).toBe('v2');
    for (const gate of gates.values()) gate.resolve();
    await Promise.all([second, other]);
  });

  test('a deadline aborts the handler, and who waits behind it does not begin after its own', async () => {
    const aborted: string[] = [];
    let began = 0;
    const deleteVolume = (_request: object, { signal }: CallContext): Promise<object> => {
      began++;
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          aborted.push('handler');
          reject(new RpcError('ABORTED', 'given up'));
        });
      });
    };
    const { channel, calls } = await serve({ controller: { deleteVolume } });
    const first = codeOf(channel.unary(ControllerCalls.deleteVolume, { volumeId: 'v' }, { timeoutMs: 400 }));
    await until(() => began === 1);
    const waiting = codeOf(channel.unary(ControllerCalls.deleteVolume, { volumeId: 'v' }, { timeoutMs: 50 }));
    expect(await waiting).toBe('DEADLINE_EXCEEDED');
    expect(await first).toBe('DEADLINE_EXCEEDED');
    await until(() => calls.length === 2);
    expect([began, aborted]).toEqual([1, ['handler']]);
  });

  test("a bug's text is INTERNAL, and the log of it has no secrets", async () => {
    const deleteVolume = (): Promise<object> => Promise.reject(new TypeError('of the driver'));
    const { channel, lines } = await serve({ controller: { deleteVolume } });
    const request = { volumeId: 'v', secrets: { password: 'hunter2' } };
    expect(await channel.unary(ControllerCalls.deleteVolume, request).catch(failure)).toMatchObject({
      code: 'INTERNAL',
      details: 'of the driver',
    });
    expect(lines.filter((line) => line.includes('of the driver'))).toHaveLength(1);
    expect(lines.join('')).not.toContain('hunter2');
    expect(lines.join('')).toContain('***');
  });
});

/** One unary call by a client that knows HTTP/2 alone. @returns grpc-status, or why there is none */
function rawCall(socket: string, path: string, headers: Record<string, string>): Promise<string> {
  return new Promise((resolve) => {
    const session = connectHttp2('http://localhost', { createConnection: () => connect(socket) });
    const done = (status: string): void => {
      session.destroy();
      resolve(status);
    };
    session.on('error', (error) => done(error.message));
    const stream = session.request({
      ':method': 'POST',
      ':scheme': 'http',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    const status = (all: Record<string, unknown>): void => {
      if (all['grpc-status'] !== undefined) done(`grpc-status ${String(all['grpc-status'])}`);
    };
    stream.on('response', status);
    stream.on('trailers', status);
    stream.on('error', (error) => done(error.message));
    stream.on('close', () => done(`closed: ${stream.rstCode}`));
    stream.resume();
    // A message of no bytes: not compressed, length 0.
    stream.end(Buffer.alloc(5));
  });
}

describe('clients of other makes', () => {
  const probe = IdentityCalls.probe.path;

  test.each([
    // What clients send for a unix socket, by their age and make.
    ['localhost', 'localhost'],
    ['empty', ''],
    ["a socket's path, escaped", '%2Fvar%2Flib%2Fkubelet%2Fcsi.sock'],
    ['with a port', 'unix:0'],
    ["the kubelet's", 'passthrough'],
  ])(':authority %s', async (_name, authority) => {
    const { socket } = await serve();
    expect(await rawCall(socket, probe, { ':authority': authority })).toBe(`grpc-status ${CODE.OK}`);
  });

  test('a bare path, which HTTP/2 does not allow there, ends that connection alone', async () => {
    const { socket, channel } = await serve();
    // Old grpc-go clients send it; the runtime's HTTP/2 refuses it before anybody here is asked.
    expect(await rawCall(socket, probe, { ':authority': '/var/lib/kubelet/csi.sock' })).toContain(
      'PROTOCOL_ERROR',
    );
    expect(await channel.unary(IdentityCalls.probe, {})).toEqual({ ready: { value: true } });
  });

  test('host in place of :authority', async () => {
    const { socket } = await serve();
    expect(await rawCall(socket, probe, { host: 'localhost' })).toBe(`grpc-status ${CODE.OK}`);
  });

  test('a call that is none, and a service that is none', async () => {
    const { socket } = await serve();
    for (const path of ['/csi.v1.Identity/Nothing', '/csi.v0.Identity/Probe', '/x'])
      expect(await rawCall(socket, path, { ':authority': 'localhost' })).toBe(
        `grpc-status ${CODE.UNIMPLEMENTED}`,
      );
  });

  test('bytes that are no HTTP/2 end one connection and nothing else', async () => {
    const { socket, channel } = await serve();
    await new Promise<void>((resolve) => {
      const client = connect(socket);
      client.on('error', () => undefined);
      client.on('close', () => resolve());
      client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      client.write(Buffer.alloc(4096, 0xff));
      client.resume();
    });
    expect(await channel.unary(IdentityCalls.probe, {})).toEqual({ ready: { value: true } });
  });
});
