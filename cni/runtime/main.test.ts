import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TemporaryDirectory } from '../../conformance/testing/netns.ts';
import type { Answer } from '../protocol/dispatch.ts';
import { main } from './main.ts';
import type { PluginCall } from './plugin-runner.ts';

let dir: TemporaryDirectory;
let calls: PluginCall[];
let answer: Answer;
let printed: string;
let errors: string;
beforeEach(() => {
  dir = new TemporaryDirectory();
  calls = [];
  answer = { stdout: '{"ips":[{"address":"10.0.0.2/24"}]}', stderr: '', exitCode: 0 };
  printed = '';
  errors = '';
  const list = { cniVersion: '1.1.0', name: 'net', plugins: [{ type: 'x', capabilities: { mac: true } }] };
  writeFileSync(dir.join('10.conflist'), JSON.stringify(list));
});
afterEach(() => dir[Symbol.dispose]());

const run = (args: string[], env: Record<string, string> = {}): Promise<number> =>
  main(args, {
    env: { NETCONFPATH: dir.path, ...env },
    runner: {
      run: async (call) => {
        calls.push(call);
        return answer;
      },
    },
    print: (text) => {
      printed += text;
    },
    printError: (text) => {
      errors += text;
    },
  });

const cache = (): string[] => ['--cache-dir', dir.path];

describe('underpod cni', () => {
  test('add prints the result; flags win over variables', async () => {
    const flags = ['--container-id', 'me', '--ifname', 'net1', '--path', '/a:/b', ...cache()];
    const status = await run(['add', 'net', '/run/netns/blue', ...flags], {
      CNI_IFNAME: 'eth5',
      CNI_PATH: '/c',
    });
    expect(errors).toBe('');
    expect(status).toBe(0);
    expect(JSON.parse(printed)).toEqual({ cniVersion: '1.1.0', ips: [{ address: '10.0.0.2/24' }] });
    expect(calls[0]?.variables).toEqual({
      CNI_COMMAND: 'ADD',
      CNI_CONTAINERID: 'me',
      CNI_NETNS: '/run/netns/blue',
      CNI_IFNAME: 'net1',
      CNI_ARGS: '',
      CNI_PATH: '/a:/b',
    });
  });

  test("defaults are cnitool's, and a relative path is made absolute", async () => {
    await run(['del', 'net', 'run/netns/blue', ...cache()]);
    const netns = `${process.cwd()}/run/netns/blue`;
    const hash = new Bun.CryptoHasher('sha512').update(netns).digest('hex').slice(0, 20);
    expect(calls[0]?.variables).toMatchObject({
      CNI_CONTAINERID: `cnitool-${hash}`,
      CNI_NETNS: netns,
      CNI_IFNAME: 'eth0',
    });
    expect(calls[0]?.path).toEqual(['/opt/cni/bin']);
  });

  test('"default" is the first network of the directory', async () => {
    expect(await run(['status', 'default'])).toBe(0);
    expect(calls).toHaveLength(1);
  });

  test('gc keeps what it is told to keep', async () => {
    const valid = ['--valid', 'a/eth0', '--valid', 'b/net1'];
    expect(await run(['gc', 'net', ...valid, ...cache()])).toBe(0);
    expect(JSON.parse(new TextDecoder().decode(calls[0]?.stdin))).toMatchObject({
      'cni.dev/valid-attachments': [
        { containerID: 'a', ifname: 'eth0' },
        { containerID: 'b', ifname: 'net1' },
      ],
    });
  });

  test('gc without a list keeps attachments whose namespace exists, and --all none', async () => {
    await run(['add', 'net', '/proc/self/ns/net', '--container-id', 'lives', ...cache()]);
    await run(['add', 'net', '/run/netns/gone', '--container-id', 'gone', ...cache()]);
    answer = { stdout: '', stderr: '', exitCode: 0 };
    calls.length = 0;
    const told = (): string[] =>
      calls.map(({ variables: v }) => `${v['CNI_COMMAND']} ${v['CNI_CONTAINERID']}`);
    await run(['gc', 'net', ...cache()]);
    expect(told()).toEqual(['DEL gone', 'GC ']);
    calls.length = 0;
    await run(['gc', 'net', '--all', ...cache()]);
    expect(told()).toEqual(['DEL lives', 'GC ']);
  });

  test("a plugin's error goes to stderr with its code", async () => {
    answer = { stdout: '{"code":11,"msg":"busy","details":"by 7"}', stderr: '', exitCode: 1 };
    expect(await run(['add', 'net', '/n', ...cache()])).toBe(1);
    expect(errors).toBe('plugin x failed (ADD): busy; by 7 (code 11)\n');
    expect(printed).toBe('');
  });

  test('an unknown network is an error that names the others', async () => {
    expect(await run(['add', 'other', '/n'])).toBe(1);
    expect(errors).toContain(`no network "other" in ${dir.path}; found: net`);
  });

  test.each([
    [[], 'the command must be'],
    [['delete', 'net', '/n'], 'got "delete"'],
    [['add'], 'needs the name of a network'],
    [['add', 'net'], 'needs the path of a network namespace'],
    [['add', 'net', '/n', '--nope'], '--nope'],
    [['add', 'net', '/n', '--timeout', 'soon'], '--timeout'],
    [['add', 'net', '/n', '--args', 'novalue'], 'CNI_ARGS'],
    [['add', 'net', '/n', '--capability-args', '{'], 'CAP_ARGS is not valid JSON'],
    [['gc', 'net', '--valid', 'a'], '--valid "a" must be'],
  ])('%j is wrong usage', async (args, message) => {
    expect(await run(args)).toBe(2);
    expect(errors).toContain(message);
    expect(calls).toEqual([]);
  });

  test('--help names every flag', async () => {
    expect(await run(['--help'])).toBe(0);
    for (const flag of [
      'conf-dir',
      'path',
      'container-id',
      'ifname',
      'args',
      'capability-args',
      'cache-dir',
      'timeout',
    ]) {
      expect(printed).toContain(`--${flag} `);
    }
    for (const flag of ['valid', 'all', 'help']) expect(printed).toContain(`--${flag}`);
  });
});
