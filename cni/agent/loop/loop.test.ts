import { describe, expect, test } from 'vitest';
import { FakeClock } from '../../../shared/daemon/fake-clock.ts';
import { WorkLoop } from '../../../shared/daemon/work-loop.ts';
import { parseCidr } from '../../../shared/ip/cidr.ts';
import { createLogger, silentLogger } from '../../../shared/log/logger.ts';
import type { KernelEvent } from '../kernel/event.ts';
import { OWN_TABLE } from '../rules/own-table.ts';
import { dirtyParts, type Interests, PARTS } from './dirty.ts';
import { Lag } from './lag.ts';
import { LagWindow } from './lag-window.ts';
import { RepairLimiter } from './repair-limiter.ts';

function setUp(parts: Record<'a' | 'b', () => void | Promise<void>>): {
  clock: FakeClock;
  loop: WorkLoop<'a' | 'b'>;
  lines: string[];
} {
  const clock = new FakeClock();
  const lines: string[] = [];
  const log = createLogger('t', { sink: (line) => lines.push(line) });
  return { clock, lines, loop: new WorkLoop({ clock, log, parts }) };
}

describe('lag', () => {
  test('is that of the oldest event; what comes during a run waits for the next', () => {
    const lag = new Lag<'a' | 'b'>();
    expect(lag.done('a', 0, 10)).toBeUndefined();
    lag.event(['a', 'b'], 20);
    lag.event(['a'], 30);
    expect(lag.done('a', 40, 50)).toBe(30);
    expect(lag.done('a', 60, 70)).toBeUndefined();
    lag.event(['a', 'b'], 85);
    expect(lag.done('a', 80, 90)).toBeUndefined();
    expect(lag.done('b', 80, 90)).toBe(70);
    expect([lag.done('a', 100, 110), lag.done('b', 100, 110)]).toEqual([25, 25]);
  });
});

describe('the work loop', () => {
  test('does a part once for a burst of marks, parts in their order, one run at a time', async () => {
    const done: string[] = [];
    let running = 0;
    const part = (name: string) => async (): Promise<void> => {
      running += 1;
      expect(running).toBe(1);
      await Promise.resolve();
      done.push(name);
      running -= 1;
    };
    const { clock, loop } = setUp({ a: part('a'), b: part('b') });
    loop.mark('b');
    loop.mark('a', 'b');
    loop.mark('b');
    await clock.advance(0);
    expect(done).toEqual(['a', 'b']);
    loop.mark('a');
    await clock.advance(10);
    expect(done).toEqual(['a', 'b']);
    await clock.advance(100);
    expect(done).toEqual(['a', 'b', 'a']);
    await loop.idle();
  });

  test('a part with a shorter spacing of its own does not wait, and does not hurry the others', async () => {
    const done: string[] = [];
    const clock = new FakeClock();
    const parts = { a: () => void done.push('a'), b: () => void done.push('b') };
    const loop = new WorkLoop({ clock, log: silentLogger, parts, spacing: { b: 5 } });
    loop.mark('a', 'b');
    await clock.advance(0);
    expect(done.splice(0)).toEqual(['a', 'b']);
    loop.mark('a', 'b');
    await clock.advance(4);
    expect(done).toEqual([]);
    await clock.advance(1);
    expect(done.splice(0)).toEqual(['b']);
    await clock.advance(44);
    expect(done).toEqual([]);
    await clock.advance(1);
    expect(done).toEqual(['a']);
    await loop.idle();
  });

  test('a mark during the run of the same part is not lost', async () => {
    let runs = 0;
    const { clock, loop } = setUp({
      a: () => {
        runs += 1;
        if (runs === 1) loop.mark('a');
      },
      b: () => {},
    });
    loop.mark('a');
    await clock.advance(1000);
    expect(runs).toBe(2);
  });

  test('a failing part is retried ever less often and told once; the other goes on', async () => {
    let attempts = 0;
    let broken = true;
    let others = 0;
    const { clock, loop, lines } = setUp({
      a: () => {
        attempts += 1;
        if (broken) throw new Error('no');
      },
      b: () => {
        others += 1;
      },
    });
    loop.mark('a', 'b');
    await clock.advance(60_000);
    expect(others).toBe(1);
    expect(attempts).toBeGreaterThan(5);
    expect(attempts).toBeLessThan(12);
    expect(loop.failing('a')).toBe(true);
    expect(lines).toHaveLength(1);
    broken = false;
    await clock.advance(31_000);
    expect(loop.failing('a')).toBe(false);
    expect(lines).toHaveLength(2);
    const before = attempts;
    await clock.advance(120_000);
    expect(attempts).toBe(before);
  });

  test('does nothing once disposed of', async () => {
    let runs = 0;
    const { clock, loop } = setUp({ a: () => void runs++, b: () => {} });
    loop.mark('a');
    loop[Symbol.dispose]();
    loop.mark('b');
    await clock.advance(1000);
    expect(runs).toBe(0);
  });
});

test('the limiter lets a burst through, then little, and forgives', () => {
  const limiter = new RepairLimiter();
  let now = 0;
  const ask = (object = 'route'): ReturnType<RepairLimiter['ask']> => limiter.ask(object, now);
  const allowed = (count: number): number =>
    Array.from({ length: count }, () => ask()).filter((one) => one.allowed).length;
  expect(allowed(10)).toBe(10);
  expect(ask()).toMatchObject({ allowed: false, fightBegins: true });
  expect(ask()).toMatchObject({ allowed: false, fightBegins: false });
  expect(ask('another').allowed).toBe(true);
  now += ask().waitMs;
  expect(allowed(5)).toBe(1);
  now += 3_600_000;
  expect(allowed(11)).toBe(10);
  expect(ask().fightBegins).toBe(false);
});

test('lags are summed up for people: count, last, percentiles of the latest', () => {
  const window = new LagWindow();
  expect(window.summary).toBeUndefined();
  for (let ms = 1; ms <= 100; ms++) window.add(ms);
  expect(window.summary).toEqual({ count: 100, lastMs: 100, p50Ms: 51, p99Ms: 100 });
  for (let n = 0; n < 600; n++) window.add(2.04);
  expect(window.summary).toEqual({ count: 700, lastMs: 2, p50Ms: 2, p99Ms: 2 });
});

describe('which events matter', () => {
  const interests: Interests = {
    underlays: [2],
    deviceNames: ['flannel.1'],
    deviceIndexes: new Set([7]),
    clusterNetworks: [parseCidr('10.244.0.0/16')!],
    ownRule: (event) => event.kind === 'nftables' && event.table === OWN_TABLE.name,
    foreignRule: (event) => event.kind === 'nftables' && event.chain === 'FORWARD',
  };
  const route = (destination: string, device: number, protocol: number): KernelEvent => ({
    kind: 'route',
    destination: parseCidr(destination)!,
    device,
    protocol,
  });
  test.each<[string, KernelEvent, readonly string[]]>([
    ["a pod's veth", { kind: 'link', index: 30, name: 'veth1234' }, []],
    ['the device gone', { kind: 'link', index: 7, name: 'flannel.1' }, ['network', 'sysctl']],
    ['a device of that name', { kind: 'link', index: 31, name: 'flannel.1' }, ['network', 'sysctl']],
    ['the underlay', { kind: 'link', index: 2, name: 'eth0' }, ['underlay', 'network']],
    ["a pod's neighbour", { kind: 'neighbour', index: 30 }, []],
    ['a neighbour on the device', { kind: 'neighbour', index: 7 }, ['network']],
    ["the device's address", { kind: 'address', index: 7, family: 4 }, ['network', 'sysctl']],
    ["the underlay's address", { kind: 'address', index: 2, family: 4 }, ['underlay', 'network']],
    ['a route elsewhere', route('198.51.100.0/24', 2, 4), []],
    ['a route on the device', route('198.51.100.0/24', 7, 4), ['network']],
    ['a route of ours', route('198.51.100.0/24', 0, 93), ['network']],
    ['a route into the cluster', route('10.244.9.0/24', 2, 4), ['network']],
    ['the default route', route('0.0.0.0/0', 2, 4), []],
    ['our table', { kind: 'nftables', family: OWN_TABLE.family, table: OWN_TABLE.name }, ['rules']],
    ['a watched chain', { kind: 'nftables', family: 'ip', table: 'filter', chain: 'FORWARD' }, ['forward']],
    ['another chain', { kind: 'nftables', family: 'ip', table: 'filter', chain: 'INPUT' }, []],
    ['forwarding', { kind: 'forwarding', family: 6, index: -1 }, ['sysctl']],
    ['forwarding of a device', { kind: 'forwarding', family: 4, index: 7 }, ['sysctl']],
    ['forwarding of a pod', { kind: 'forwarding', family: 4, index: 99 }, []],
  ])('%s', (_what, event, expected) => {
    expect(dirtyParts(event, interests)).toEqual(expected);
  });

  test('until the underlay is chosen, anything that may be it; after lost events, everything', () => {
    const waiting = { ...interests, underlays: [] };
    expect(dirtyParts({ kind: 'link', index: 30, name: 'eth7' }, waiting)).toContain('underlay');
    expect(dirtyParts(route('0.0.0.0/0', 2, 4), waiting)).toEqual(['underlay']);
    expect(dirtyParts({ kind: 'overrun' }, interests)).toEqual(PARTS);
  });
});
