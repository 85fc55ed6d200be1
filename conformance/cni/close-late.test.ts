/**
 * DEL of type firewall leaves the last close of the packet filter to a child (shared/sys/close-late.ts): seen from
 * outside, by what the executable calls.
 */

import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { executable } from '../build/executable.ts';
import { run } from '../testing/netns.ts';
import { type Answer, type Call, callSync, enterWorld, type World } from './world.ts';

const world = enterWorld() as World;
const strace = Bun.which('strace');
if (strace === null) console.log('how DEL closes is not looked at: strace is missing (make setup)');
afterAll(() => world?.[Symbol.dispose]());

const traceFile = '/run/trace';
const config = {
  cniVersion: '1.0.0',
  name: 'net',
  type: 'firewall',
  backend: 'nftables',
  prevResult: { cniVersion: '1.0.0', ips: [{ address: '10.1.0.5/24' }] },
};

describe.skipIf(!world || strace === null)('DEL', () => {
  beforeAll(() => {
    mkdirSync('/run/bin');
    symlinkSync(executable(), '/run/bin/firewall');
  });

  function addAndDelete(...options: string[]): { answer: Answer; trace: string[] } {
    const container = world.container();
    const base = {
      program: '/run/bin/firewall',
      config,
      containerId: container.id,
      ifname: container.ifname,
      netns: container.netns,
    } satisfies Partial<Call>;
    expect(callSync({ ...base, command: 'ADD' }).code).toBe(0);
    const wrapper = ['strace', '-f', '-qq', '-o', traceFile, ...options];
    const answer = callSync({ ...base, command: 'DEL', wrapper });
    expect(run('nft', 'list', 'set', 'inet', 'underpod_firewall', 'pods4')).not.toContain('10.1.0.5');
    world.remove(container);
    return { answer, trace: readFileSync(traceFile, 'utf8').trim().split('\n') };
  }

  const threadOf = (line: string | undefined): string => /^(\d+) /.exec(line ?? '')?.[1] ?? '';

  test('ends before the child that holds the socket, which ends by that', () => {
    const { answer, trace } = addAndDelete('-e', 'trace=clone,close_range,sendto,exit_group');
    expect(answer).toMatchObject({ code: 0, stdout: '', stderr: '' });
    const main = threadOf(trace[0]);
    // The call may be told in two lines, with another thread's between them.
    const ending = /clone(?:\(.*CLONE_PIDFD.*| resumed>.*) = (\d+)$/;
    const started = trace.findIndex((line) => line.includes('CLONE_PIDFD'));
    const caller = threadOf(trace[started]);
    const child = trace
      .slice(started)
      .filter((line) => threadOf(line) === caller)
      .map((line) => ending.exec(line)?.[1])
      .find((pid) => pid !== undefined);
    expect(child).toBeDefined();
    const own = trace.map((line, at) => ({ line, at })).filter(({ line }) => threadOf(line) === child);
    const end = trace.findIndex((line) => threadOf(line) === main && line.includes('exit_group('));
    expect(own.some(({ line }) => line.includes('sendto('))).toBe(true);
    // Stopped in its send until the other end went: what it says of that comes after.
    const told = own.find(({ line }) => /ECONNRESET|EPIPE|SIGPIPE/.test(line));
    expect(told?.at).toBeGreaterThan(end);
  });

  test('waits itself where the kernel makes no child', () => {
    const { answer } = addAndDelete('-e', 'inject=clone:error=EAGAIN', '-e', 'trace=clone');
    expect(answer).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  test('loses nothing when the child is killed', () => {
    const { answer } = addAndDelete('-e', 'inject=close_range:signal=KILL:when=2', '-e', 'trace=close_range');
    expect(answer).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });
});
