import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { cnitool } from '../../conformance/cni/cnitool.ts';
import { coverWithTmpfs, freshNetns, TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { main } from './main.ts';

/**
 * libcni's cnitool and our runtime drive the same recording plugins with the same files, and are held against each
 * other: what plugins are told, what is kept in the cache, and whether one can take over from the other.
 */

const tool = cnitool();
// cnitool knows no other cache directory than /var/lib/cni.
const possible = tool !== undefined && freshNetns();
if (possible) coverWithTmpfs('/var/lib');

const dir = new TemporaryDirectory();
afterAll(() => dir[Symbol.dispose]());
const cacheDir = '/var/lib/cni/results';

/** Writes down what it is told, and prints `<type>.answer` for ADD. */
const recorder = `#!/bin/sh
log="${dir.path}/log"
n=$(ls "$log" | wc -l)
type=$(basename "$0")
{ echo "$CNI_COMMAND $type"; env | grep ^CNI_ | sort; cat; } > "$log/$(printf %03d "$n")"
[ "$CNI_COMMAND" != ADD ] || cat "${dir.path}/$type.answer"
`;

const variables = {
  NETCONFPATH: dir.join('net.d'),
  CNI_PATH: `/nowhere:${dir.join('bin')}`,
  CNI_IFNAME: 'eth7',
  CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAME=web<0>',
  CAP_ARGS: '{"portMappings":[{"hostPort":8080,"containerPort":80}],"mac":"x&y","unused":1}',
};

const netns = '/run/netns/blue';

/** A list as people write them: keys in no order, numbers and strings of all kinds. */
function configure(cniVersion: string, answers: Record<string, unknown>): void {
  const list = {
    name: 'net',
    cniVersion,
    plugins: [
      { type: 'one', z: 1.5, a: 'ä<>&\u2028', nested: { b: [1e21, -0.25, null], a: true } },
      { type: 'two', capabilities: { portMappings: true, mac: true, ips: true }, runtimeConfig: { old: 1 } },
    ],
  };
  writeFileSync(dir.join('net.d/10-net.conflist'), JSON.stringify(list, null, 2));
  for (const [type, answer] of Object.entries(answers)) {
    writeFileSync(dir.join(`${type}.answer`), JSON.stringify(answer));
  }
}

beforeEach(() => {
  for (const name of ['log', 'net.d', 'bin']) {
    rmSync(dir.join(name), { recursive: true, force: true });
    mkdirSync(dir.join(name));
  }
  for (const type of ['one', 'two']) writeFileSync(dir.join('bin', type), recorder, { mode: 0o755 });
  if (possible) rmSync(cacheDir, { recursive: true, force: true });
});

interface Outcome {
  /** What the plugins were told, a text a call. */
  readonly calls: string[];
  readonly stdout: string;
  /** The cache afterwards: file names and contents. */
  readonly cache: Record<string, string>;
}

type Runtime = (command: string) => Promise<string>;

const theirs: Runtime = async (command) => {
  const env = { ...process.env, ...variables };
  const child = spawnSync(tool ?? '', [command, 'net', netns], { env, encoding: 'utf8' });
  expect(child.stderr).toBe('');
  return child.stdout;
};

const ours: Runtime = async (command) => {
  let printed = '';
  const errors: string[] = [];
  await main([command, 'net', netns], {
    env: { ...process.env, ...variables },
    print: (text) => {
      printed += text;
    },
    printError: (text) => errors.push(text),
  });
  expect(errors).toEqual([]);
  return printed;
};

async function run(runtime: Runtime, command: string): Promise<Outcome> {
  const before = readdirSync(dir.join('log'));
  const stdout = await runtime(command);
  const files = readdirSync(dir.join('log')).filter((file) => !before.includes(file));
  const cached = existsSync(cacheDir) ? readdirSync(cacheDir) : [];
  return {
    calls: files.sort().map((file) => readFileSync(dir.join('log', file), 'utf8')),
    stdout,
    cache: Object.fromEntries(cached.map((file) => [file, readFileSync(`${cacheDir}/${file}`, 'utf8')])),
  };
}

/** Calls with their configuration as a value. */
function parsed(calls: string[]): unknown {
  return calls.map((call) => {
    const at = call.indexOf('{');
    return [call.slice(0, at), JSON.parse(call.slice(at))];
  });
}

const address = { address: '10.0.0.2/24', gateway: '10.0.0.1', interface: 0 };
const interfaces = [{ name: 'eth7', mac: '00:11:22:33:44:55', sandbox: netns }];
const routes = [{ dst: '0.0.0.0/0', gw: '10.0.0.1' }];
const dns = { nameservers: ['10.0.0.1'], search: ['a<b'] };
const old = { interfaces, ips: [{ version: '4', ...address }], routes, dns };
const families = { ip4: { ip: '10.0.0.2/24', gateway: '10.0.0.1', routes }, dns };
const results: Record<string, object> = {
  '1.1.0': {
    interfaces: [{ ...interfaces[0], mtu: 1450 }],
    ips: [address],
    routes: [{ ...routes[0], mtu: 9 }],
    dns,
  },
  '1.0.0': { interfaces, ips: [address], routes, dns },
  '0.4.0': old,
  '0.3.1': old,
  '0.2.0': families,
};

describe.skipIf(!possible)('beside libcni', () => {
  test.each(Object.keys(results))('%s: plugins and cache cannot tell the two apart', async (cniVersion) => {
    const result = { cniVersion, ...results[cniVersion] };
    configure(cniVersion, { one: result, two: { ...result, dns: { ...dns, domain: 'second' } } });
    const commands = ['add', ...(cniVersion >= '0.4.0' ? ['check'] : []), 'del'];
    for (const command of commands) {
      const expected = await run(theirs, command);
      if (command === 'add') expect(expected.calls).toHaveLength(2);
      // Start from the same state: what cnitool left is in the cache, so put it back as it was before.
      const cacheAfter = expected.cache;
      if (command === 'add') rmSync(cacheDir, { recursive: true });
      if (command === 'del') await run(theirs, 'add');
      const actual = await run(ours, command);
      // Before 1.0.0 libcni's types write their keys in an order of their own.
      const comparable = cniVersion < '1.0.0' ? parsed : (calls: string[]): unknown => calls;
      expect(comparable(actual.calls)).toEqual(comparable(expected.calls));
      expect(actual.cache).toEqual(cacheAfter);
      if (command === 'add') expect(JSON.parse(actual.stdout)).toEqual(JSON.parse(expected.stdout));
    }
  });

  test('either takes over from the other', async () => {
    const result = { cniVersion: '1.1.0', ...results['1.1.0'] };
    configure('1.1.0', { one: result, two: result });
    for (const [adder, remover] of [
      [theirs, ours],
      [ours, theirs],
    ] as const) {
      const added = await run(adder, 'add');
      expect(Object.keys(added.cache)).toEqual([expect.stringMatching(/^net-cnitool-[0-9a-f]{20}-eth7$/)]);
      const checked = await run(remover, 'check');
      const removed = await run(remover, 'del');
      expect(removed.cache).toEqual({});
      for (const call of [...checked.calls, ...removed.calls]) {
        expect(JSON.parse(call.slice(call.indexOf('{'))).prevResult).toEqual(result);
      }
      expect(removed.calls.map((call) => call.split('\n')[0])).toEqual(['DEL two', 'DEL one']);
    }
  });

  test('STATUS is the same; GC tells plugins what to keep, where cnitool removes all', async () => {
    const result = { cniVersion: '1.1.0', ...results['1.1.0'] };
    configure('1.1.0', { one: result, two: result });
    expect((await run(ours, 'status')).calls).toEqual((await run(theirs, 'status')).calls);
    await run(theirs, 'add');
    const { calls, cache } = await run(ours, 'gc');
    // The namespace does not exist: the attachment is stale.
    expect(calls.map((call) => call.split('\n')[0])).toEqual(['DEL two', 'DEL one', 'GC one', 'GC two']);
    expect(calls[2]).toContain('"cni.dev/valid-attachments":[]');
    expect(cache).toEqual({});
  });
});
