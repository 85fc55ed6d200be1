import { describe, expect, test } from 'vitest';
import { IptablesMode } from '../iptables/iptables-mode.ts';
import { NO_COUNTERS } from '../iptables/packet-counters.ts';
import type { ServicePort } from '../model/service-port.ts';
import { FakeTables } from '../testing/fake-tables.ts';
import { FakeTime } from '../testing/fake-time.ts';
import { address, cidr, endpoint, Ports, port, settings } from '../testing/ports.ts';
import { IpvsMode } from './ipvs-mode.ts';
import { serverKeyOf } from './keys.ts';
import { OUT_FILTER } from './rules.ts';
import { FakeKernel } from './testing/fake-kernel.ts';

const NODE = ['192.168.1.1', '203.0.113.7'];

class Fixture {
  readonly kernel: FakeKernel;
  readonly tables: FakeTables;
  readonly time = new FakeTime();
  readonly trouble: unknown[] = [];
  readonly mode: IpvsMode;

  constructor(
    kernel = new FakeKernel(NODE.map(address)),
    tables = new FakeTables(),
    excluded: readonly string[] = [],
  ) {
    this.kernel = kernel;
    this.tables = tables;
    this.mode = new IpvsMode(settings(4), {
      kernel,
      clock: this.time,
      open: async () => tables,
      openOther: async () => undefined,
      scheduler: 'rr',
      excluded: excluded.map(cidr),
      onTrouble: (error) => this.trouble.push(error),
    });
  }

  /** A mode that has programmed nothing yet, on what this one left. */
  again(excluded: readonly string[] = []): Fixture {
    return new Fixture(this.kernel, this.tables, excluded);
  }
}

test('tables that another mode has taken over are neither read nor written when this one goes, and the other way round', async () => {
  const { kernel, tables, mode } = new Fixture();
  const iptables = new IptablesMode(settings(4), {
    dropInvalid: true,
    localhostNodePorts: true,
    routeLocalnet: () => {},
    counters: NO_COUNTERS,
    open: async () => tables,
    openOther: async () => undefined,
  });
  const ports = new Ports(web('10.244.1.1:8080'));
  await mode.replace(ports);
  await iptables.replace(ports);
  const [{ saves, restored }, before] = [tables, Bun.inspect(tables.tables)];
  await mode.cleanUp();
  expect([tables.saves, tables.restored, Bun.inspect(tables.tables)]).toEqual([saves, restored, before]);
  expect(kernel.servers().size).toBe(0);
  const again = new Fixture(kernel, tables);
  await again.mode.replace(ports);
  const seen = tables.saves;
  await iptables.cleanUp();
  expect(tables.saves).toBe(seen);
  await again.mode.cleanUp();
  expect([...(tables.tables.get('filter')?.keys() ?? [])].filter((name) => name.includes('IPVS'))).toEqual(
    [],
  );
});

const web = (...endpoints: string[]): ServicePort =>
  port({
    name: 'default/web:http',
    frontends: ['cluster-ip 10.96.0.1:80', 'load-balancer 192.0.2.2:80', 'node-port 30080'],
    endpoints,
    local: endpoints.slice(0, 1),
    sources: ['198.51.100.0/24', '0.0.0.0/0'],
  });
const KEY = serverKeyOf(address('10.96.0.1'), 80, 'TCP');

/** Mulberry32: the same ports in every run. */
const random = (seed: number): ((below: number) => number) => {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
};

function draw(pick: (below: number) => number, n: number): ServicePort {
  // Endpoints, and addresses of load balancers, are several ports'.
  const endpoints = Array.from({ length: pick(4) }, (_, i) => `10.244.${i}.${pick(2)}:80`);
  const policy = ['cluster', 'local'][pick(2)];
  return port({
    name: `default/s${n}`,
    protocol: (['TCP', 'UDP', 'SCTP'] as const)[pick(3)] ?? 'TCP',
    frontends: [
      `cluster-ip 10.96.0.${n}:80 ${['cluster', 'local'][pick(2)]}`,
      ...(pick(2) ? [`load-balancer 192.0.2.${n % 2}:${80 + n} ${policy}`] : []),
      ...(pick(2) ? [`external-ip 203.0.113.${n % 3 === 0 ? 7 : n}:${80 + n} ${policy}`] : []),
      ...(pick(2) ? [`node-port ${30000 + n} ${policy}`] : []),
    ],
    endpoints,
    local: endpoints.slice(0, pick(3)),
    ...(pick(3) === 0 && { affinity: 10 + pick(2) }),
    ...(pick(3) === 0 && { sources: ['10.0.0.0/8', '0.0.0.0/0'].slice(pick(2)) }),
  });
}

describe('changes', () => {
  test.each([1, 2, 3, 4])('any of them end in what a full run makes (seed %i)', async (seed) => {
    const pick = random(seed);
    const { mode, kernel, tables, time, trouble } = new Fixture();
    const ports = new Ports();
    await mode.replace(ports);
    const restored = tables.restored;
    for (let round = 0; round < 50; round += 1) {
      const names = new Set<string>();
      for (let count = 1 + pick(4); count > 0; count -= 1) {
        const n = 1 + pick(9);
        names.add(`default/s${n}`);
        if (pick(4)) ports.set(draw(pick, n));
        else ports.delete(`default/s${n}`);
      }
      expect((await mode.update(ports, names)).refused).toEqual([]);
      await time.advance(20_000);
      const whole = new Fixture();
      await whole.mode.replace(ports);
      expect(kernel.content).toEqual(whole.kernel.content);
      expect(tables.tables.get('filter')?.get(OUT_FILTER)?.toSorted()).toEqual(
        whole.tables.tables.get('filter')?.get(OUT_FILTER)?.toSorted(),
      );
      expect(await new Fixture(kernel, tables).mode.replace(ports)).toMatchObject({ changes: 0 });
    }
    expect(trouble).toEqual([]);
    // Rules are as many as before: only those of load balancers that the node may not use come and go.
    expect(tables.restored - restored).toBeLessThan(50);
    await mode.cleanUp();
    const left = [...tables.tables.values()].flatMap((table) => [...table.keys()]);
    expect(left.filter((name) => name.startsWith('KUBE-'))).toEqual([]);
    expect([...tables.tables.values()].flatMap((table) => [...table.values()].flat())).toEqual([]);
  });

  test('of endpoints touch nothing else', async () => {
    const { mode, kernel, tables } = new Fixture();
    const ports = new Ports(web('10.244.1.1:80', '10.244.2.1:80'));
    await mode.replace(ports);
    kernel.done.length = 0;
    const { restored } = tables;
    ports.set(web('10.244.1.1:80', '10.244.3.1:80'));
    await mode.update(ports, new Set(['default/web:http']));
    // Of the ClusterIP, the load balancer and two of the node's addresses.
    expect(kernel.done.map(({ on, verb }) => `${verb} ${on}`)).toEqual([
      ...Array(4).fill('add endpoint'),
      ...Array(4).fill('change endpoint'),
    ]);
    expect(tables.restored).toBe(restored);
  });
});

describe('endpoints that go', () => {
  const weights = ({ kernel }: Fixture): string[] =>
    kernel
      .endpoints(KEY)
      .map(({ endpoint: one, weight }) => `${one.charCodeAt(2)}:${weight}`)
      .sort();
  const connect = ({ kernel }: Fixture, at: string, connections: number): void => {
    const one = kernel.held.get(KEY)?.endpoints.get(endpoint(at));
    if (!one) throw new Error(`no endpoint ${at}`);
    one.connections = connections;
  };

  test('keep their connections and get no new ones', async () => {
    const fixture = new Fixture();
    const ports = new Ports(web('10.244.1.1:80', '10.244.2.1:80', '10.244.3.1:80'));
    await fixture.mode.replace(ports);
    connect(fixture, '10.244.1.1:80', 2);
    ports.set(web('10.244.3.1:80'));
    await fixture.mode.update(ports, new Set(['default/web:http']));
    expect(weights(fixture)).toEqual(['1:0', '2:0', '3:1']);
    await fixture.time.advance(1000);
    expect(weights(fixture)).toEqual(['1:0', '3:1']);
    await fixture.time.advance(60_000);
    expect(weights(fixture)).toEqual(['1:0', '3:1']);
    connect(fixture, '10.244.1.1:80', 0);
    await fixture.time.advance(10_000);
    expect(weights(fixture)).toEqual(['3:1']);
  });

  test('and come back serve at once', async () => {
    const fixture = new Fixture();
    const ports = new Ports(web('10.244.1.1:80', '10.244.2.1:80'));
    await fixture.mode.replace(ports);
    connect(fixture, '10.244.1.1:80', 2);
    fixture.kernel.done.length = 0;
    for (const back of [['10.244.2.1:80'], ['10.244.1.1:80', '10.244.2.1:80']]) {
      ports.set(web(...back));
      await fixture.mode.update(ports, new Set(['default/web:http']));
    }
    expect(weights(fixture)).toEqual(['1:1', '2:1']);
    expect(new Set(fixture.kernel.done.map(({ on, verb }) => `${verb} ${on}`))).toEqual(
      new Set(['change endpoint', 'add entry', 'delete entry']),
    );
    connect(fixture, '10.244.1.1:80', 0);
    await fixture.time.advance(60_000);
    expect(weights(fixture)).toEqual(['1:1', '2:1']);
  });

  test('are gone on with after a restart', async () => {
    const first = new Fixture();
    const ports = new Ports(web('10.244.1.1:80', '10.244.2.1:80'));
    await first.mode.replace(ports);
    connect(first, '10.244.1.1:80', 1);
    ports.set(web('10.244.2.1:80'));
    await first.mode.update(ports, new Set(['default/web:http']));
    first.mode[Symbol.dispose]();
    await first.time.advance(60_000);
    const second = first.again();
    expect(await second.mode.replace(ports)).toMatchObject({ changes: 0 });
    expect(weights(second)).toEqual(['1:0', '2:1']);
    connect(second, '10.244.1.1:80', 0);
    await second.time.advance(1000);
    expect(weights(second)).toEqual(['2:1']);
  });

  test('of UDP are gone at once', async () => {
    const { mode, kernel } = new Fixture();
    const dns = (...endpoints: string[]): ServicePort =>
      port({ name: 'a/dns', protocol: 'UDP', frontends: ['cluster-ip 10.96.0.10:53'], endpoints });
    const ports = new Ports(dns('10.244.1.1:53', '10.244.2.1:53'));
    await mode.replace(ports);
    ports.set(dns('10.244.2.1:53'));
    await mode.update(ports, new Set(['a/dns']));
    const key = serverKeyOf(address('10.96.0.10'), 53, 'UDP');
    expect(kernel.endpoints(key).map((one) => one.endpoint)).toEqual([endpoint('10.244.2.1:53')]);
  });
});

describe('what is not ours', () => {
  test('virtual servers are removed, as by kube-proxy, but for those of excluded networks', async () => {
    const first = new Fixture();
    await first.mode.replace(new Ports(web('10.244.1.1:80')));
    const second = first.again(['192.0.2.0/24', '10.0.0.0/8']);
    await second.mode.replace(new Ports());
    expect([...second.kernel.held.keys()].sort()).toEqual(
      [KEY, serverKeyOf(address('192.0.2.2'), 80, 'TCP')].sort(),
    );
  });

  test('an address of the node is not bound to our device', async () => {
    const { mode, kernel } = new Fixture();
    await mode.replace(
      new Ports(
        port({ name: 'a/b', frontends: ['external-ip 203.0.113.7:80', 'load-balancer 192.0.2.9:80'] }),
      ),
    );
    expect([...kernel.bound]).toEqual([address('192.0.2.9')]);
  });
});

describe('trouble', () => {
  test('what is taken away comes back, and is counted as a repair', async () => {
    const { mode, kernel, tables } = new Fixture();
    const ports = new Ports(web('10.244.1.1:80'));
    await mode.replace(ports);
    const { content } = kernel;
    kernel.held.clear();
    kernel.bound.clear();
    kernel.sets.get('clusterIp')?.clear();
    tables.tables.get('nat')?.set('KUBE-SERVICES', []);
    const { repairs } = await mode.verify(ports);
    expect(repairs).toBeGreaterThan(8);
    expect(kernel.content).toEqual(content);
    expect(await mode.verify(ports)).toMatchObject({ repairs: 0 });
  });

  test('what the kernel refuses is named, the rest is programmed, and it is tried again', async () => {
    const { mode, kernel } = new Fixture();
    const other = port({
      name: 'a/other',
      frontends: ['cluster-ip 10.96.0.2:80'],
      endpoints: ['10.244.1.2:80'],
    });
    kernel.refuses = (operation) => operation.on === 'server' && 'key' in operation && operation.key === KEY;
    const ports = new Ports(web('10.244.1.1:80'), other);
    const { refused } = await mode.replace(ports);
    expect(refused).toEqual([{ name: 'default/web:http', why: 'refused: server' }]);
    expect(kernel.held.has(serverKeyOf(address('10.96.0.2'), 80, 'TCP'))).toBe(true);
    kernel.refuses = () => false;
    expect((await mode.update(ports, new Set(['default/web:http']))).refused).toEqual([]);
    expect(kernel.held.has(KEY)).toBe(true);
  });

  test('a change that fails half-way is done anew from what the kernel holds', async () => {
    const { mode, kernel } = new Fixture();
    const ports = new Ports(web('10.244.1.1:80'));
    await mode.replace(ports);
    kernel.held.delete(KEY);
    ports.set(web('10.244.1.1:80', '10.244.2.1:80'));
    await mode.update(ports, new Set(['default/web:http']));
    expect(kernel.endpoints(KEY)).toHaveLength(2);
  });
});

test('status tells servers, endpoints and who drains', async () => {
  const { mode, kernel } = new Fixture();
  const sticky = port({
    name: 'a/b',
    frontends: ['cluster-ip 10.96.0.1:80', 'cluster-ip 10.96.0.3:80'],
    endpoints: ['10.244.1.1:80', '10.244.2.1:80'],
    affinity: 60,
  });
  await mode.replace(new Ports(sticky));
  const first = kernel.held.get(KEY)?.endpoints.get(endpoint('10.244.1.1:80'));
  if (first) Object.assign(first, { weight: 0, connections: 3 });
  kernel.held.delete(serverKeyOf(address('10.96.0.3'), 80, 'TCP'));
  expect(await mode.explain(sticky)).toEqual([
    'virtual server 10.96.0.1:80: rr, clients stay for 60 s',
    'real server 10.244.1.1:80 of 10.96.0.1:80: 3 connections, no new ones',
    'real server 10.244.2.1:80 of 10.96.0.1:80: 0 connections',
    'virtual server 10.96.0.3:80: missing',
  ]);
});
