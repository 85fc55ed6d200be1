/**
 * DEL leaves the request that the kernel takes long for to a child (cni/plugins/common/delete-link.ts): seen from
 * outside, by what the executable calls.
 */

import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { executable } from '../build/executable.ts';
import { run } from '../testing/netns.ts';
import { bridgeConfig, type Config, wholeConfig } from './configs.ts';
import { type Answer, type Call, callSync, enterWorld, type World } from './world.ts';

const world = enterWorld() as World;
const strace = Bun.which('strace');
if (strace === null) console.log('how DEL deletes is not looked at: strace is missing (make setup)');
afterAll(() => world?.[Symbol.dispose]());

const traceFile = '/run/trace';
const masquerading = bridgeConfig({ ipMasq: true });

describe.skipIf(!world || strace === null)('DEL', () => {
  beforeAll(() => {
    mkdirSync('/run/bin');
    for (const type of ['bridge', 'underpod']) symlinkSync(executable(), `/run/bin/${type}`);
  });

  /** ADD, then DEL under strace with these options. */
  function addAndDelete(...options: string[]): { answer: Answer; trace: string[] } {
    return addAndDeleteOf(masquerading, ...options);
  }

  function addAndDeleteOf(config: Config, ...options: string[]): { answer: Answer; trace: string[] } {
    const container = world.container();
    const base = {
      program: `/run/bin/${config.type}`,
      config,
      containerId: container.id,
      ifname: container.ifname,
      netns: container.netns,
    } satisfies Partial<Call>;
    expect(callSync({ ...base, command: 'ADD' }).code).toBe(0);
    const wrapper = ['strace', '-f', '-qq', '-o', traceFile, ...options];
    const answer = callSync({ ...base, command: 'DEL', wrapper });
    expect(JSON.parse(run('ip', '-j', 'link', 'show', 'type', 'veth'))).toEqual([]);
    world.remove(container);
    return { answer, trace: readFileSync(traceFile, 'utf8').trim().split('\n') };
  }

  const threadOf = (line: string | undefined): string => /^(\d+) /.exec(line ?? '')?.[1] ?? '';
  const deletion = /sendto\(.*RTM_DELLINK/;

  test('lets a child send it, which has closed what is not its own', () => {
    const { answer, trace } = addAndDelete('-e', 'trace=sendto,close_range,exit_group');
    expect(answer).toMatchObject({ code: 0, stdout: '', stderr: '' });
    const sent = trace.filter((line) => deletion.test(line));
    expect(sent).toHaveLength(1);
    const child = threadOf(sent[0]);
    expect(child).not.toBe(threadOf(trace[0]));
    const calls = trace.filter((line) => threadOf(line) === child);
    const names = calls.flatMap((line) => /^\d+ +([a-z_]+)\(/.exec(line)?.[1] ?? []);
    expect(names.join(' ')).toMatch(/^(close_range )+sendto exit_group$/);
    expect(calls[0]).toContain('close_range(0, ');
  });

  test('keeps the packet filter’s socket for the child to close', () => {
    const { trace } = addAndDelete('-e', 'trace=sendto,close_range');
    const child = threadOf(trace.find((line) => deletion.test(line)));
    const closed = trace.filter((line) => threadOf(line) === child && line.includes('close_range'));
    // Two are left open, so there are three runs of numbers, or two where they stand side by side.
    const runs = closed.map((line) => /close_range\((\d+), (\d+)/.exec(line)?.slice(1).map(Number) ?? []);
    const covered = runs.slice(0, -1).reduce((sum, [from = 0, to = 0]) => sum + to - from + 1, 0);
    expect((runs.at(-1)?.[0] ?? 0) - covered).toBe(2);
  });

  test('of a pod with host ports and firewall has one transaction, one socket of the packet filter, one child', () => {
    const { portMappings } = wholeConfig()['runtimeConfig'] as Record<string, unknown>;
    // Without limits: the device for those has a child of its own.
    const config = wholeConfig({ runtimeConfig: { portMappings } });
    const { answer, trace } = addAndDeleteOf(config, '-e', 'trace=socket,sendto,clone');
    expect(answer).toMatchObject({ code: 0, stdout: '', stderr: '' });
    const count = (pattern: RegExp): number => trace.filter((line) => pattern.test(line)).length;
    expect(count(/NFNL_MSG_BATCH_BEGIN/)).toBe(1);
    expect(count(/NETLINK_NETFILTER/)).toBe(1);
    expect(count(/^\d+ +clone\(/)).toBe(1);
  });

  test('sends it itself when the child is killed', () => {
    // The runtime's own call at start is the first of the main thread, the child's second one is its own.
    const { answer, trace } = addAndDelete(
      '-e',
      'inject=close_range:signal=KILL:when=2',
      '-e',
      'trace=sendto,close_range',
    );
    expect(answer).toMatchObject({ code: 0, stdout: '', stderr: '' });
    const sent = trace.filter((line) => deletion.test(line));
    expect(sent.map(threadOf)).toEqual([threadOf(trace[0])]);
  });

  test('sends it itself where the kernel makes no child', () => {
    const { answer, trace } = addAndDelete('-e', 'inject=clone:error=EAGAIN', '-e', 'trace=sendto,clone');
    expect(answer).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(trace.filter((line) => deletion.test(line)).map(threadOf)).toEqual([threadOf(trace[0])]);
  });

  test('tells what the kernel refuses', () => {
    const { answer } = addAndDeleteRefused();
    expect(answer.code).toBe(1);
    expect(JSON.parse(answer.stdout)).toMatchObject({ msg: expect.stringMatching(/delete link/) });
  });

  /** As a user without rights over the namespace: the request is refused, for the child as for the plugin. */
  function addAndDeleteRefused(): { answer: Answer } {
    const container = world.container();
    const base = {
      program: '/run/bin/bridge',
      config: bridgeConfig(),
      containerId: container.id,
      ifname: container.ifname,
      netns: container.netns,
    } satisfies Partial<Call>;
    expect(callSync({ ...base, command: 'ADD' }).code).toBe(0);
    const wrapper = ['setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-all'];
    const answer = callSync({ ...base, command: 'DEL', wrapper });
    expect(callSync({ ...base, command: 'DEL' }).code).toBe(0);
    world.remove(container);
    return { answer };
  }
});
