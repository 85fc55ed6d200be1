import { describe, expect, test } from 'vitest';
import type { Call } from './dispatch.ts';
import { dispatch } from './dispatch.ts';
import { invalidConfig } from './error.ts';
import type { Plugin } from './plugin.ts';
import type { Result } from './result.ts';
import { emptyResult } from './result.ts';
import { decodeResult } from './result-decode.ts';

const pod: Result = decodeResult(
  { cniVersion: '1.1.0', ips: [{ address: '10.0.0.2/24' }] },
  { path: 'test' },
);

/** A plugin that notes what it is asked and may be told to fail. */
class Recorder implements Plugin {
  readonly type = 'recorder';
  readonly about = 'CNI plugin recorder v0';
  readonly calls: string[] = [];
  result: Result = pod;
  failure: unknown;

  add(): Result {
    this.#note('add');
    return this.result;
  }
  async del(): Promise<void> {
    this.#note('del');
  }
  check(): void {
    this.#note('check');
  }
  gc(): void {
    this.#note('gc');
  }
  status(): void {
    this.#note('status');
  }

  #note(call: string): void {
    this.calls.push(call);
    if (this.failure !== undefined) throw this.failure;
  }
}

const environment = {
  CNI_CONTAINERID: 'c0ffee',
  CNI_NETNS: '/run/netns/blue',
  CNI_IFNAME: 'eth0',
  CNI_PATH: '/opt/cni/bin',
};

function call(command: string, conf: unknown = {}, more: Partial<Call> = {}): Call {
  const complete = { cniVersion: '1.1.0', name: 'net', type: 'recorder', ...(conf as object) };
  return {
    env: { ...environment, CNI_COMMAND: command },
    stdin: () => new TextEncoder().encode(JSON.stringify(complete)),
    ...more,
  };
}

async function errorOf(plugin: Plugin, given: Call): Promise<Record<string, unknown>> {
  const answer = await dispatch(plugin, given);
  expect(answer.exitCode).toBe(1);
  return JSON.parse(answer.stdout);
}

describe('dispatch', () => {
  test('ADD prints the result in the version of the configuration', async () => {
    const plugin = new Recorder();
    const now = await dispatch(plugin, call('ADD'));
    expect(now).toMatchObject({ exitCode: 0, stderr: '' });
    expect(JSON.parse(now.stdout)).toEqual({ cniVersion: '1.1.0', ips: [{ address: '10.0.0.2/24' }] });
    const old = await dispatch(plugin, call('ADD', { cniVersion: '0.2.0' }));
    expect(JSON.parse(old.stdout)).toEqual({ cniVersion: '0.2.0', ip4: { ip: '10.0.0.2/24' } });
  });

  test.each(['DEL', 'CHECK', 'STATUS'])('%s prints nothing', async (command) => {
    const plugin = new Recorder();
    expect(await dispatch(plugin, call(command))).toEqual({ stdout: '', stderr: '', exitCode: 0 });
    expect(plugin.calls).toEqual([command.toLowerCase()]);
  });

  test('VERSION lists every version and reads no stdin', async () => {
    const stdin = (): never => expect.unreachable();
    const answer = await dispatch(new Recorder(), { env: { CNI_COMMAND: 'VERSION' }, stdin });
    expect(JSON.parse(answer.stdout)).toEqual({
      cniVersion: '1.1.0',
      supportedVersions: ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'],
    });
    expect(answer.exitCode).toBe(0);
  });

  test('without CNI_COMMAND it introduces itself on stderr', async () => {
    const stdin = (): never => expect.unreachable();
    const answer = await dispatch(new Recorder(), { env: {}, stdin });
    expect(answer).toMatchObject({ stdout: '', exitCode: 0 });
    expect(answer.stderr).toMatch(/^CNI plugin recorder v0\n.*1\.1\.0\n$/);
  });

  test.each([
    ['CHECK', '0.3.1', '0.4.0'],
    ['GC', '1.0.0', '1.1.0'],
    ['STATUS', '1.0.0', '1.1.0'],
  ])('%s is refused for %s', async (command, cniVersion, since) => {
    const plugin = new Recorder();
    const error = await errorOf(plugin, call(command, { cniVersion }));
    expect(error).toMatchObject({ cniVersion, code: 1, msg: `CNI ${cniVersion} has no ${command}` });
    expect(error['details']).toContain(since);
    expect(plugin.calls).toEqual([]);
  });

  test('GC without its list removes nothing, and says so', async () => {
    const plugin = new Recorder();
    for (const conf of [{}, { 'cni.dev/attachments': [] }]) {
      const { stdout, stderr, exitCode } = await dispatch(plugin, call('GC', conf));
      expect([stdout, exitCode]).toEqual(['', 0]);
      expect(stderr).toMatch(
        /^GC of network \S+: no "cni\.dev\/valid-attachments", so nothing was removed.*\n$/,
      );
    }
    expect(plugin.calls).toEqual([]);
  });

  test.each([[[]], [null]])('GC with the list %j removes all', async (list) => {
    const plugin = new Recorder();
    const { stderr, exitCode } = await dispatch(plugin, call('GC', { 'cni.dev/valid-attachments': list }));
    expect([stderr, exitCode]).toEqual(['', 0]);
    expect(plugin.calls).toEqual(['gc']);
  });

  test("its own namespace as the container's is code 8, unless overridden", async () => {
    const plugin = new Recorder();
    const isOwnNetns = (path: string): boolean => path === '/run/netns/blue';
    for (const command of ['ADD', 'DEL']) {
      expect(await errorOf(plugin, call(command, {}, { isOwnNetns }))).toMatchObject({ code: 8 });
    }
    expect(plugin.calls).toEqual([]);
    const env = { ...environment, CNI_COMMAND: 'ADD', CNI_NETNS_OVERRIDE: 'true' };
    expect((await dispatch(plugin, call('ADD', {}, { isOwnNetns, env }))).exitCode).toBe(0);
  });

  test('an ADD whose result the version cannot express is undone', async () => {
    const plugin = new Recorder();
    plugin.result = emptyResult;
    expect(await errorOf(plugin, call('ADD', { cniVersion: '0.2.0' }))).toMatchObject({ code: 1 });
    expect(plugin.calls).toEqual(['add', 'del']);
  });

  test('undoing it may fail as well: both errors are told, the first one first', async () => {
    const plugin = new Recorder();
    plugin.result = emptyResult;
    plugin.del = async () => {
      throw invalidConfig('cannot undo');
    };
    const error = await errorOf(plugin, call('ADD', { cniVersion: '0.2.0' }));
    expect(error).toMatchObject({ code: 1, details: expect.stringMatching(/0\.2\.0.*; cannot undo$/) });
  });

  test('a DEL survives a prevResult that an ADD refuses', async () => {
    const broken = { prevResult: { ips: 'none' } };
    expect(await errorOf(new Recorder(), call('ADD', broken))).toMatchObject({ code: 6 });
    expect((await dispatch(new Recorder(), call('DEL', broken))).exitCode).toBe(0);
  });

  test('what a plugin throws becomes the answer', async () => {
    const plugin = new Recorder();
    plugin.failure = invalidConfig('no subnet', { details: 'add one' });
    const cniVersion = '0.4.0';
    const error = await errorOf(plugin, call('DEL', { cniVersion }));
    expect(error).toEqual({ cniVersion, code: 7, msg: 'no subnet', details: 'add one' });
    plugin.failure = new TypeError('oops');
    expect(await errorOf(plugin, call('DEL'))).toMatchObject({ code: 999, details: 'TypeError: oops' });
  });

  test('stdin that cannot be read, or is too long', async () => {
    const failing = (error: Error): Call =>
      call(
        'ADD',
        {},
        {
          stdin: () => {
            throw error;
          },
        },
      );
    const broken = Object.assign(new Error('read: EIO'), { code: 'EIO', errno: 5 });
    expect(await errorOf(new Recorder(), failing(broken))).toMatchObject({
      code: 5,
      msg: 'cannot read the network configuration from stdin: read: EIO',
    });
    expect(await errorOf(new Recorder(), failing(new RangeError('too many')))).toMatchObject({ code: 6 });
  });

  test('the environment is judged before stdin is touched', async () => {
    const stdin = (): never => expect.unreachable();
    const env = { ...environment, CNI_COMMAND: 'ADD', CNI_IFNAME: 'a/b' };
    expect(await errorOf(new Recorder(), { env, stdin })).toMatchObject({ cniVersion: '1.1.0', code: 4 });
  });
});
