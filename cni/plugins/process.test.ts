import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadPlugin, pluginTypes } from './registry.ts';
import type { Json } from './testing/node.ts';
import { list, TestNode } from './testing/node.ts';

const node = TestNode.enter();
const program = join(import.meta.dirname, 'testing', 'run-plugin.ts');

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(type: string, env: Record<string, string>, input: string | Uint8Array = ''): Run {
  const child = spawnSync(process.execPath, [program, type], {
    env,
    input,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  return { code: child.status, stdout: child.stdout, stderr: child.stderr };
}

const add = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'abc',
  CNI_NETNS: '/run/netns/none',
  CNI_IFNAME: 'eth0',
  CNI_PATH: '/nowhere',
};

const conf = JSON.stringify({
  cniVersion: '1.0.0',
  name: 'net',
  type: 'bridge',
  ipam: { type: 'host-local', subnet: '10.1.0.0/24' },
});

function error(result: Run): Json {
  expect([result.code, result.stderr]).toEqual([1, '']);
  return JSON.parse(result.stdout) as Json;
}

describe.skipIf(!node)('as a process', () => {
  test('VERSION, without an environment and without reading stdin', () => {
    const { code, stdout } = run('bridge', { CNI_COMMAND: 'VERSION' });
    expect([code, (JSON.parse(stdout) as Json)['supportedVersions']]).toEqual([
      0,
      expect.arrayContaining(['0.1.0', '1.1.0']),
    ]);
  });

  test('by hand it says what it is', () => {
    const { code, stdout, stderr } = run('host-local', {});
    expect([code, stdout]).toEqual([0, '']);
    expect(stderr).toMatch(/host-local/);
  });

  test('16 MB of stdin are a CNI error, and nothing is half done', () => {
    const long = `${conf.slice(0, -1)},"filler":"${'x'.repeat(16 * 1024 * 1024)}"}`;
    expect(error(run('bridge', add, long))).toMatchObject({
      code: 6,
      msg: expect.stringMatching(/larger than 8388608 bytes/),
    });
  });

  test.each([
    ['empty', '', 6, /is empty/],
    ['no JSON', '{"name":', 6, /not valid JSON/],
    ['another type of JSON', '[1]', 6, /must be a JSON object/],
    ['wrong types', '{"cniVersion":"1.0.0","name":5}', 6, /name must be a string/],
    ['no name', '{"cniVersion":"1.0.0"}', 7, /no "name"/],
    [
      'a name that leaves the directory',
      '{"cniVersion":"1.0.0","name":"../x"}',
      7,
      /must start with a letter or digit/,
    ],
    ['an unknown version', '{"cniVersion":"9.9.9","name":"net"}', 1, /"9\.9\.9"/],
    ['a missing namespace', conf, 8, /CNI_NETNS "\/run\/netns\/none" cannot be opened/],
  ])('%s', (_what, input, code, message) => {
    expect(error(run('bridge', add, input))).toMatchObject({ code, msg: expect.stringMatching(message) });
  });

  test('a missing variable', () => {
    const { CNI_IFNAME: _, ...rest } = add;
    expect(error(run('bridge', rest, conf))).toMatchObject({
      code: 4,
      msg: expect.stringMatching(/CNI_IFNAME/),
    });
  });

  test('its own namespace as the container’s, whatever the path', () => {
    for (const netns of ['/proc/self/ns/net', '/proc/thread-self/ns/net']) {
      for (const command of ['ADD', 'DEL']) {
        const env = { ...add, CNI_COMMAND: command, CNI_NETNS: netns };
        expect(error(run('loopback', env, '{"cniVersion":"1.0.0","name":"lo"}'))).toMatchObject({ code: 8 });
      }
    }
  });

  test('a closed stdout is not worth a crash', () => {
    const child = spawnSync('/bin/sh', ['-c', `${process.execPath} ${program} bridge >&- 2>&1`], {
      env: { ...add, CNI_COMMAND: 'VERSION' },
      encoding: 'utf8',
    });
    expect(child.stdout).toBe('');
  });

  test('nothing of all this is left', () => {
    expect(list('/var/lib/cni')).toEqual([]);
    expect(list('/run/underpod/cni')).toEqual([]);
    expect(node?.hostVeths()).toEqual([]);
  });
});

test('every type is there under its own name, with a process of its own', () => {
  const processes = readdirSync(join(import.meta.dirname, 'processes')).map((name) =>
    name.replace('.ts', ''),
  );
  expect(processes.filter((name) => name !== 'all').sort()).toEqual(pluginTypes);
  for (const type of pluginTypes) expect(loadPlugin(type)?.type).toBe(type);
  expect(loadPlugin('constructor')).toBeUndefined();
});
