/** What others do to the table while the proxy works, and objects as no API server should give them. */

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HERE, proxyDaemon } from '../../conformance/proxy/traffic/proxy-program.ts';
import type { TestDaemon } from '../../conformance/testing/daemon.ts';
import { freshNetns, nftJson, run, TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { slowness } from '../../conformance/testing/slowness.ts';
import { FakeApiServer } from '../../shared/kube/testing/fake-api-server.ts';
import { TestApi } from './testing/api.ts';
import { until } from './testing/until.ts';

/** A repair takes no longer than this (ms); a look at everything takes ten. */
const SOON = 2000 * slowness;
/** Clock ticks of /proc/PID/stat a second (USER_HZ of asm-generic/param.h). */
const TICKS = 100;

const TABLE = ['table', 'ip', 'underpod-proxy'] as const;

const list = (): string =>
  run('nft', 'list', ...TABLE)
    .split('\n')
    .map((line) => line.trim())
    // Elements of a set come in no order.
    .flatMap((line) => line.replace(/^elements = \{/, '').split(/[,}]/))
    .map((part) => part.trim())
    .filter(Boolean)
    .sort()
    .join('\n');

interface Element {
  readonly concat?: readonly (string | number)[];
}

/** Endpoints of a cluster address, in the order of their slots. */
function slotsOf(address: string): string[] {
  const { nftables } = nftJson<{ nftables: { map?: { elem?: [Element, Element][] } }[] }>(
    'list',
    'map',
    'ip',
    'underpod-proxy',
    'slots',
  );
  return nftables
    .flatMap(({ map }) => map?.elem ?? [])
    .filter(([{ concat }]) => concat?.[0] === address)
    .map(([key, data]) => ({ slot: Number(key.concat?.[3]), to: data.concat?.join(':') ?? '' }))
    .sort((a, b) => a.slot - b.slot)
    .map(({ to }) => to);
}

/** The table once nothing is cleared away any more: whatever is of no use goes after a second, its chain after another. */
async function atRest(): Promise<string> {
  let last = list();
  let since = performance.now();
  await until(
    'rest',
    () => {
      const now = list();
      if (now !== last) since = performance.now();
      last = now;
      return performance.now() - since > 1300 || isAtRest === now;
    },
    SOON * 5,
  );
  isAtRest = last;
  return last;
}
let isAtRest = '';

/** What the table says now, which may not be there. */
function isList(expected: string | RegExp): boolean {
  try {
    return typeof expected === 'string' ? list() === expected : expected.test(list());
  } catch {
    return false;
  }
}

describe.skipIf(!freshNetns())('a proxy at work', () => {
  const directory = new TemporaryDirectory();
  const server = new FakeApiServer();
  const api = new TestApi(server);
  let proxy: TestDaemon;

  const slice = (
    name: string,
    of: string,
    endpoints: readonly object[],
    ports = [{ name: '', port: 8080 }],
  ): void =>
    api.put(
      'EndpointSlice',
      name,
      { addressType: 'IPv4', ports, endpoints },
      {
        labels: { 'kubernetes.io/service-name': of },
      },
    );
  const ready = (addresses: readonly string[]): object[] => [{ addresses, conditions: { ready: true } }];

  beforeAll(async () => {
    api.put('Node', HERE);
    api.service('web', '10.96.0.10', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] });
    api.slice('web', '10.244.1.2@n1', '10.244.2.2@n2');
    api.service('sticky', '10.96.0.11', { sessionAffinity: 'ClientIP' });
    api.slice('sticky', '10.244.1.3@n1', '10.244.2.3@n2');
    proxy = proxyDaemon('sources', { directory: directory.path, server: server.url, mode: 'nftables' });
    await proxy.start();
  });
  afterAll(async () => {
    await proxy?.stop();
    await server[Symbol.asyncDispose]();
    directory[Symbol.dispose]();
  });

  test('programs three slices of a thousand endpoints each, and one by one what changes in them', async () => {
    const thousand = (third: number): object[] =>
      Array.from({ length: 1000 }, (_, n) => ({ addresses: [`10.24${third}.${n >> 8}.${n & 255}`] }));
    api.service('many', '10.96.0.12');
    for (const third of [5, 6, 7]) slice(`many-${third}`, 'many', thousand(third));
    await until('all of them', () => new Set(slotsOf('10.96.0.12')).size === 3000, SOON);
    slice('many-6', 'many', thousand(6).slice(0, 999));
    await until(
      'one less',
      () =>
        run('nft', 'list', 'map', 'ip', 'underpod-proxy', 'frontends').includes('2999') ||
        !slotsOf('10.96.0.12').slice(0, 2999).includes('10.246.3.231:8080'),
      SOON,
    );
    api.delete('EndpointSlice', 'many-7');
    await until('a thousand less', () => new Set(slotsOf('10.96.0.12')).size === 1999, SOON * 2);
    api.delete('Service', 'many');
    await until('nobody left', () => slotsOf('10.96.0.12').length === 0, SOON * 2);
    // Chains for so many endpoints are kept: another table has none.
    run('nft', 'delete', ...TABLE);
    await until('another table', () => isList(/10\.96\.0\.10/), SOON);
  });

  test('takes everybody once, whatever slices say of one another', async () => {
    api.service('odd', '10.96.0.13');
    const [a, b, c] = ['10.244.9.1', '10.244.9.2', '10.244.9.3'];
    slice('odd-1', 'odd', [
      { addresses: [a], conditions: { ready: true } },
      { addresses: [b], conditions: { ready: false, serving: true, terminating: true } },
      { addresses: [c], conditions: { ready: false } },
    ]);
    slice('odd-2', 'odd', [
      { addresses: [a], conditions: { ready: false } },
      { addresses: [b], conditions: { ready: true } },
      { addresses: [c], conditions: { ready: false, serving: false } },
      { addresses: [a], conditions: { ready: true } },
    ]);
    // The same under another name, and one that is no address.
    slice('odd-3', 'odd', [...ready([a, b]), { addresses: [] }, { addresses: ['nobody'] }, {}]);
    await until('both', () => slotsOf('10.96.0.13').sort().join() === `${a}:8080,${b}:8080`, SOON);
    api.delete('EndpointSlice', 'odd-3');
    api.delete('EndpointSlice', 'odd-2');
    // Now the one says that it ends, and serves only where nobody else does.
    await until('one', () => slotsOf('10.96.0.13').join() === `${a}:8080`, SOON);
  });

  test('serves an address and port that three services ask for as the first of them', async () => {
    const external = { externalIPs: ['192.0.2.7'], ports: [{ port: 80 }] };
    ['first', 'second', 'third'].forEach((name, n) => {
      api.put(
        'Service',
        name,
        { spec: { clusterIP: `10.96.1.${n}`, ...external } },
        {
          creationTimestamp: `2026-01-0${n + 1}T00:00:00Z`,
        },
      );
      api.slice(name, `10.244.8.${n}@n2`);
    });
    await until('the first', () => slotsOf('192.0.2.7').join() === '10.244.8.0:8080', SOON);
    api.delete('Service', 'first');
    await until('the second', () => slotsOf('192.0.2.7').join() === '10.244.8.1:8080', SOON);
    // Three times the same port in one service.
    const thrice = ['a', 'b', 'c'].map((name) => ({ name, port: 90, protocol: 'TCP' }));
    api.service('thrice', '10.96.1.9', { ports: thrice });
    slice(
      'thrice-1',
      'thrice',
      ready(['10.244.7.1']),
      thrice.map(({ name }, n) => ({ name, port: 9000 + n })),
    );
    await until('one of them', () => slotsOf('10.96.1.9').join() === '10.244.7.1:9000', SOON);
  });

  test.each([
    ['the table deleted', 'delete table ip underpod-proxy'],
    ['everything deleted', 'flush ruleset'],
    ['all rules deleted', 'flush table ip underpod-proxy'],
    ['a map emptied', 'flush map ip underpod-proxy slots'],
    ['the frontends emptied', 'flush map ip underpod-proxy frontends'],
    ['somebody’s rule in front', 'insert rule ip underpod-proxy services ip daddr 10.96.0.10 drop'],
    ['somebody’s chain that leads to ours', 'add chain ip underpod-proxy x { jump services; }'],
    ['the table put to sleep', 'add table ip underpod-proxy { flags dormant; }'],
    [
      'another one in its place',
      'delete table ip underpod-proxy; add table ip underpod-proxy; add map ip underpod-proxy slots { type ipv4_addr : ipv4_addr; }',
    ],
    [
      'an endpoint exchanged',
      'delete element ip underpod-proxy slots { 10.96.0.10 . tcp . 80 . 0 }; add element ip underpod-proxy slots { 10.96.0.10 . tcp . 80 . 0 : 10.244.6.6 . 6 }',
    ],
  ])('%s is put right at once', async (_, command) => {
    const before = await atRest();
    run('nft', command);
    const start = performance.now();
    // As text only in the end: that tells what is different.
    await until('the repair', () => isList(before), 2 * SOON).catch(() => {});
    expect(list()).toBe(before);
    process.stderr.write(`put right in ${Math.round(performance.now() - start)} ms\n`);
  });

  test('somebody who changes the table all the time costs little, and loses in the end', async () => {
    const before = await atRest();
    const used = (): number => {
      const fields = readFileSync(`/proc/${proxy.pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
      return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS;
    };
    const [start, cpu] = [performance.now(), used()];
    const add = 'add element ip underpod-proxy rejected { 10.96.0.10 . tcp . 80 }';
    let rounds = 0;
    while (performance.now() - start < 1500) {
      rounds += 1;
      await Bun.spawn(['nft', rounds % 2 ? add : 'flush set ip underpod-proxy rejected'], {
        stderr: 'ignore',
      }).exited;
    }
    const share = (used() - cpu) / (performance.now() - start);
    process.stderr.write(`${rounds} foreign changes: ${Math.round(share * 100)} % of a processor\n`);
    await until('the repair', () => list() === before, SOON);
    if (slowness === 1) expect(share).toBeLessThan(0.3);
  });

  test('announcements of others that overrun it hide nothing', async () => {
    const before = await atRest();
    const elements = Array.from(
      { length: 120_000 },
      (_, n) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`,
    ).join();
    const load = Bun.spawn(['nft', '-f', '-'], { stdin: 'pipe', stderr: 'ignore' });
    load.stdin.write(
      `table ip somebody {\nset s {\ntype ipv4_addr\nelements = { ${elements} }\n}\n}\ndelete table ip underpod-proxy\n`,
    );
    await load.stdin.end();
    expect(await load.exited).toBe(0);
    await until('the repair', () => isList(before), 2 * SOON);
    run('nft', 'delete', 'table', 'ip', 'somebody');
  });
});
