import { existsSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { temporaryName } from '../../shared/sys/temporary-name.ts';
import type { Answer } from '../protocol/dispatch.ts';
import type { Plugin } from '../protocol/plugin.ts';
import { emptyResult } from '../protocol/result.ts';
import { CniRuntime } from './cni-runtime.ts';
import { InProcessRunner } from './in-process-runner.ts';
import type { NetworkConfig } from './network-config.ts';
import { parseNetworkConfig } from './network-config.ts';
import type { PluginCall, PluginRunner } from './plugin-runner.ts';
import type { AttachmentParameters } from './request.ts';

/** Plugins that hand on the previous result with an address of their own, and fail when told to. */
class FakeRunner implements PluginRunner {
  readonly calls: {
    command: string;
    type: string;
    conf: Record<string, unknown>;
    variables: PluginCall['variables'];
  }[] = [];
  readonly answers = new Map<string, Answer>();

  async run({ type, variables, stdin, signal }: PluginCall): Promise<Answer> {
    signal?.throwIfAborted();
    const command = variables['CNI_COMMAND'] ?? '';
    const conf = JSON.parse(new TextDecoder().decode(stdin));
    this.calls.push({ command, type, conf, variables });
    const set = this.answers.get(`${command} ${type}`);
    if (set) return set;
    const previous = conf.prevResult ?? {};
    const address = `10.0.0.${this.calls.length}/24`;
    const result = { ...previous, cniVersion: conf.cniVersion, ips: [...(previous.ips ?? []), { address }] };
    return { stdout: command === 'ADD' ? JSON.stringify(result) : '', stderr: '', exitCode: 0 };
  }

  /** What was called, in order. */
  get log(): string[] {
    return this.calls.map(({ command, type }) => `${command} ${type}`);
  }
}

const failure = (code: number, msg: string): Answer => ({
  stdout: JSON.stringify({ cniVersion: '1.1.0', code, msg, details: 'more' }),
  stderr: 'a log line\n',
  exitCode: 1,
});

let dir: TemporaryDirectory;
let runner: FakeRunner;
let runtime: CniRuntime;
let notices: string[];
beforeEach(() => {
  dir = new TemporaryDirectory();
  runner = new FakeRunner();
  notices = [];
  const onNotice = (text: string): unknown => notices.push(text);
  runtime = new CniRuntime({ path: ['/opt/cni/bin', '/x'], runner, cacheDir: dir.path, onNotice });
});
afterEach(() => dir[Symbol.dispose]());

const pod: AttachmentParameters = {
  containerId: 'c0ffee',
  netns: '/run/netns/blue',
  ifname: 'eth0',
  args: [
    ['IgnoreUnknown', '1'],
    ['K8S_POD_NAME', 'web-0'],
  ],
  capabilityArgs: { portMappings: [{ hostPort: 80 }], bandwidth: { ingressRate: 1 } },
};

function network(more: object = {}): NetworkConfig {
  const list = {
    cniVersion: '1.1.0',
    name: 'net',
    plugins: [
      { type: 'bridge', bridge: 'cni0', name: 'overridden' },
      { type: 'portmap', capabilities: { portMappings: true, bandwidth: false, mac: true } },
    ],
    ...more,
  };
  return parseNetworkConfig(new TextEncoder().encode(JSON.stringify(list)), 'test');
}

const cacheFile = (): string => dir.join('results/net-c0ffee-eth0');

describe('add', () => {
  test('hands results on, injects name, version and capabilities, and caches the last result', async () => {
    const result = await runtime.add(network(), pod);
    expect(result.ips).toHaveLength(2);
    expect(runner.log).toEqual(['ADD bridge', 'ADD portmap']);
    const [bridge, portmap] = runner.calls;
    expect(bridge?.conf).toEqual({ type: 'bridge', bridge: 'cni0', name: 'net', cniVersion: '1.1.0' });
    expect(portmap?.conf).toMatchObject({
      runtimeConfig: { portMappings: [{ hostPort: 80 }] },
      prevResult: { cniVersion: '1.1.0', ips: [{ address: '10.0.0.1/24' }] },
    });
    expect(portmap?.variables).toEqual({
      CNI_COMMAND: 'ADD',
      CNI_CONTAINERID: 'c0ffee',
      CNI_NETNS: '/run/netns/blue',
      CNI_IFNAME: 'eth0',
      CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAME=web-0',
      CNI_PATH: '/opt/cni/bin:/x',
    });
    expect(runtime.cachedAttachments('c0ffee')).toEqual([
      {
        ...pod,
        networkName: 'net',
        config: network().bytes,
        result: { cniVersion: '1.1.0', ips: [{ address: '10.0.0.1/24' }, { address: '10.0.0.2/24' }] },
      },
    ]);
  });

  test("stops at the first failure with the plugin's code, and caches nothing", async () => {
    runner.answers.set('ADD bridge', failure(11, 'busy'));
    await expect(runtime.add(network(), pod)).rejects.toMatchObject({
      code: 11,
      message: 'plugin bridge failed (ADD): busy',
      details: 'more; stderr: a log line',
    });
    expect(runner.log).toEqual(['ADD bridge']);
    expect(existsSync(cacheFile())).toBe(false);
  });

  test.each([
    ['no output', { stdout: '', stderr: '', exitCode: 3 }, 'exit status 3 and no message'],
    ['stderr only', { stdout: '', stderr: 'panic: oh\n', exitCode: 2 }, 'failed (ADD): panic: oh'],
    ['no JSON', { stdout: 'oh', stderr: '', exitCode: 1 }, 'printed no CNI error: "oh"'],
    ['other JSON', { stdout: '{"ips":[]}', stderr: '', exitCode: 1 }, 'printed no CNI error'],
    ['a bad code', { stdout: '{"code":-1,"msg":"x"}', stderr: '', exitCode: 1 }, 'failed (ADD): x'],
  ])('makes the best of a failure with %s', async (_, answer, message) => {
    runner.answers.set('ADD bridge', answer);
    await expect(runtime.add(network(), pod)).rejects.toMatchObject({
      code: 999,
      message: expect.stringContaining(message),
    });
  });

  test.each([
    ['', 6, 'is empty'],
    ['{', 6, 'is not valid JSON'],
    ['{"cniVersion":"7.0.0"}', 1, 'CNI version "7.0.0"'],
    ['{"cniVersion":"1.1.0","ips":[{"address":"x"}]}', 6, 'ips[0].address'],
  ])('refuses the result %j', async (stdout, code, message) => {
    runner.answers.set('ADD bridge', { stdout, stderr: '', exitCode: 0 });
    const error = { code, message: expect.stringContaining(message) };
    await expect(runtime.add(network(), pod)).rejects.toMatchObject(error);
  });

  test("a result without version has the configuration's; null is an empty one; stderr is passed on", async () => {
    const stdout = '{"ips":[{"address":"10.9.9.9/24"}]}';
    runner.answers.set('ADD bridge', { stdout, stderr: 'warning\n', exitCode: 0 });
    expect((await runtime.add(network(), pod)).ips).toHaveLength(2);
    expect(notices).toEqual(['plugin bridge: warning']);
    runner.answers.set('ADD bridge', { stdout: 'null\n', stderr: '', exitCode: 0 });
    runner.answers.set('ADD portmap', { stdout: '{}', stderr: '', exitCode: 0 });
    expect(await runtime.add(network(), pod)).toEqual(emptyResult);
  });

  test('the result of an old plugin is handed on in the version of the network', async () => {
    const stdout = '{"cniVersion":"0.2.0","ip4":{"ip":"10.9.9.9/24"}}';
    runner.answers.set('ADD bridge', { stdout, stderr: '', exitCode: 0 });
    await runtime.add(network(), pod);
    expect(runner.calls[1]?.conf['prevResult']).toEqual({
      cniVersion: '1.1.0',
      ips: [{ address: '10.9.9.9/24' }],
    });
  });

  test.each([
    [{ containerId: '../x' }, 7, 'container id'],
    [{ ifname: 'a/b' }, 7, 'interface name'],
  ])('calls nothing for %j', async (wrong, code, message) => {
    const error = { code, message: expect.stringContaining(message) };
    await expect(runtime.add(network(), { ...pod, ...wrong })).rejects.toMatchObject(error);
    await expect(runtime.add(network({ cniVersion: '3.0.0' }), pod)).rejects.toMatchObject({ code: 1 });
    expect(runner.calls).toEqual([]);
  });
});

describe('del', () => {
  test('goes backwards with the cached result, and forgets it', async () => {
    await runtime.add(network(), pod);
    await runtime.del(network(), pod);
    expect(runner.log.slice(2)).toEqual(['DEL portmap', 'DEL bridge']);
    expect(runner.calls[3]?.conf['prevResult']).toMatchObject({ ips: [{}, {}] });
    expect(existsSync(cacheFile())).toBe(false);
  });

  test('works without a cached result, and before 0.4.0 does not use one', async () => {
    await runtime.del(network(), { ...pod, netns: undefined });
    expect(runner.calls[0]?.variables['CNI_NETNS']).toBe('');
    await runtime.add(network({ cniVersion: '0.3.1' }), pod);
    await runtime.del(network({ cniVersion: '0.3.1' }), pod);
    expect(runner.calls.at(-1)?.conf).not.toHaveProperty('prevResult');
  });

  test('a failure stops it and keeps the cache for the next attempt', async () => {
    await runtime.add(network(), pod);
    runner.answers.set('DEL portmap', failure(5, 'no'));
    await expect(runtime.del(network(), pod)).rejects.toMatchObject({ code: 5 });
    expect(runner.log.at(-1)).toBe('DEL portmap');
    expect(existsSync(cacheFile())).toBe(true);
  });

  test('a corrupt cache file is removed and reported, and does not stop it', async () => {
    mkdirSync(dir.join('results'));
    writeFileSync(cacheFile(), '{"kind":');
    await runtime.del(network(), pod);
    expect(runner.log).toEqual(['DEL portmap', 'DEL bridge']);
    expect(notices).toEqual([expect.stringContaining(cacheFile())]);
    expect(existsSync(cacheFile())).toBe(false);
  });
});

describe('check', () => {
  test('goes forwards with the cached result', async () => {
    await runtime.add(network(), pod);
    await runtime.check(network(), pod);
    expect(runner.log.slice(2)).toEqual(['CHECK bridge', 'CHECK portmap']);
    expect(runner.calls[2]?.conf['prevResult']).toMatchObject({ ips: [{}, {}] });
  });

  test('needs 0.4.0, and can be disabled', async () => {
    await expect(runtime.check(network({ cniVersion: '0.3.1' }), pod)).rejects.toMatchObject({ code: 1 });
    await runtime.check(network({ disableCheck: true }), pod);
    expect(runner.calls).toEqual([]);
  });

  test('a corrupt cache file is an error that names it', async () => {
    mkdirSync(dir.join('results'));
    writeFileSync(cacheFile(), 'x');
    const error = { code: 6, message: expect.stringContaining(cacheFile()) };
    await expect(runtime.check(network(), pod)).rejects.toMatchObject(error);
  });
});

describe('gc', () => {
  const other = { ...pod, containerId: 'decaf' };

  test('deletes stale attachments of this network only, and tells plugins what to keep', async () => {
    await runtime.add(network(), pod);
    await runtime.add(network(), other);
    await runtime.add(network({ name: 'elsewhere' }), other);
    runner.calls.length = 0;
    await runtime.gc(network(), [{ containerId: 'c0ffee', ifname: 'eth0' }]);
    expect(runner.log).toEqual(['DEL portmap', 'DEL bridge', 'GC bridge', 'GC portmap']);
    expect(runner.calls[0]?.variables).toMatchObject({
      CNI_CONTAINERID: 'decaf',
      CNI_ARGS: expect.stringContaining('web-0'),
    });
    expect(runner.calls[0]?.conf).toMatchObject({ runtimeConfig: { portMappings: [{}] }, prevResult: {} });
    const keep = [{ containerID: 'c0ffee', ifname: 'eth0' }];
    expect(runner.calls[2]?.conf).toEqual({
      type: 'bridge',
      bridge: 'cni0',
      name: 'net',
      cniVersion: '1.1.0',
      'cni.dev/valid-attachments': keep,
      'cni.dev/attachments': keep,
    });
    expect(runner.calls[2]?.variables['CNI_CONTAINERID']).toBe('');
    expect(
      runtime.cachedAttachments().map(({ networkName, containerId }) => `${networkName} ${containerId}`),
    ).toEqual(['elsewhere decaf', 'net c0ffee']);
  });

  test('goes on after failures and tells of all', async () => {
    await runtime.add(network(), pod);
    runner.answers.set('DEL portmap', failure(5, 'first'));
    runner.answers.set('GC bridge', failure(11, 'second'));
    const error = await runtime.gc(network(), []).catch((thrown: unknown) => thrown);
    expect((error as AggregateError).errors).toMatchObject([{ code: 5 }, { code: 11 }]);
    expect(runner.log.slice(2)).toEqual(['DEL portmap', 'GC bridge', 'GC portmap']);
  });

  test('clears away what a killed runtime left half written in the cache', async () => {
    await runtime.add(network(), pod);
    const left = temporaryName(cacheFile());
    writeFileSync(left, '{"kind":');
    utimesSync(left, 0, 0);
    await runtime.gc(network(), [{ containerId: 'c0ffee', ifname: 'eth0' }]);
    expect(existsSync(left)).toBe(false);
    expect(existsSync(cacheFile())).toBe(true);
  });

  test('before 1.1.0 it only deletes; disabled it does nothing', async () => {
    const old = network({ cniVersion: '1.0.0' });
    await runtime.add(old, pod);
    await runtime.gc(network({ cniVersion: '1.0.0', disableGC: true }), []);
    expect(runner.calls).toHaveLength(2);
    await runtime.gc(old, []);
    expect(runner.log.slice(2)).toEqual(['DEL portmap', 'DEL bridge']);
  });
});

describe('status, versions, validate', () => {
  test('the first refusal is the answer, before 1.1.0 there is none', async () => {
    runner.answers.set('STATUS bridge', failure(50, 'no subnet'));
    await expect(runtime.status(network())).rejects.toMatchObject({ code: 50 });
    expect(runner.log).toEqual(['STATUS bridge']);
    await runtime.status(network({ cniVersion: '1.0.0' }));
    expect(runner.log).toHaveLength(1);
  });

  test('versions of new, old and ancient plugins', async () => {
    const answer = (stdout: string, exitCode = 0): Answer => ({ stdout, stderr: '', exitCode });
    runner.answers.set('VERSION new', answer('{"cniVersion":"1.1.0","supportedVersions":["1.0.0","1.1.0"]}'));
    runner.answers.set('VERSION old', answer('{"cniVersion":"0.2.0"}'));
    runner.answers.set('VERSION ancient', answer('{"code":4,"msg":"unknown CNI_COMMAND: VERSION"}', 1));
    runner.answers.set('VERSION broken', answer('{}'));
    expect(await runtime.versions('new')).toEqual(['1.0.0', '1.1.0']);
    expect(await runtime.versions('old')).toEqual(['0.1.0', '0.2.0']);
    expect(await runtime.versions('ancient')).toEqual(['0.1.0']);
    await expect(runtime.versions('broken')).rejects.toMatchObject({ code: 6 });
    const mixed = network({ plugins: [{ type: 'new' }, { type: 'old' }] });
    await expect(runtime.validate(mixed)).rejects.toMatchObject({
      code: 1,
      message: expect.stringContaining('old'),
    });
    await runtime.validate(network({ plugins: [{ type: 'new' }] }));
  });
});

test('an aborted call stops the chain', async () => {
  const stop = new AbortController();
  stop.abort();
  await expect(runtime.add(network(), pod, stop.signal)).rejects.toThrow('abort');
  await expect(runtime.gc(network(), [], stop.signal)).rejects.toThrow('abort');
});

test('our own types run in process, all others through the fallback', async () => {
  const seen: string[] = [];
  const bridge: Plugin = {
    type: 'bridge',
    about: '',
    add: ({ env, conf }) => {
      seen.push(`${env.containerId} ${conf.name}`);
      return emptyResult;
    },
    del: () => {
      throw new Error('oops');
    },
    check: () => {},
    gc: () => {},
    status: () => {},
  };
  const inProcess = new InProcessRunner({
    plugin: async (type) => (type === 'bridge' ? bridge : undefined),
    isOwnNetns: () => false,
    fallback: runner,
  });
  const mixed = new CniRuntime({ path: ['/x'], runner: inProcess, cacheDir: dir.path });
  await mixed.add(network(), pod);
  expect(seen).toEqual(['c0ffee net']);
  expect(runner.log).toEqual(['ADD portmap']);
  await expect(mixed.del(network(), pod)).rejects.toMatchObject({ code: 999, details: 'Error: oops' });
});
