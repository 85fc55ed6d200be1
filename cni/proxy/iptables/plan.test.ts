import { describe, expect, test } from 'vitest';
import type { ServicePort } from '../model/service-port.ts';
import { FakeTables } from '../testing/fake-tables.ts';
import { Ports, port, settings } from '../testing/ports.ts';
import { SHARED_CHAINS } from './fixed-rules.ts';
import { chainsOf, endpointChain } from './names.ts';
import { type AllSettings, planAll, planChanges, planRemoval } from './plan.ts';
import { rulesOf } from './port-rules.ts';
import { parseSaved } from './tables.ts';

const all: AllSettings = {
  ...settings(4),
  dropInvalid: true,
  localhostNodePorts: true,
  endpointComments: true,
  counts: new Set(),
};

const SHARED = new Set<unknown>([...SHARED_CHAINS.filter, ...SHARED_CHAINS.nat]);

/** In an order that is the same for the same rules; the last of nat's KUBE-SERVICES stays where it is. */
function sorted({ tables }: FakeTables): unknown {
  return [...tables].map(([table, chains]) => [
    table,
    [...chains]
      .map(([chain, rules]) => {
        if (!SHARED.has(chain)) return [chain, rules];
        const end = table === 'nat' && chain === 'KUBE-SERVICES' ? rules.length - 1 : rules.length;
        return [chain, [...rules.slice(0, end).sort(), ...rules.slice(end)]];
      })
      .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
  ]);
}

describe('names', () => {
  // As kube-proxy's own tests have them.
  test('are the hashes that kube-proxy makes', () => {
    const svc = port({ name: 'ns1/svc1:p80', frontends: [], endpoints: ['10.180.0.1:80'] });
    expect(chainsOf(svc).cluster).toBe('KUBE-SVC-XPGD46QRK7WJZT7O');
    expect(endpointChain(svc, svc.endpoints[0]!)).toBe('KUBE-SEP-SXIVWICOYRO3J4NJ');
  });
});

describe('rules of a port', () => {
  const textOf = (one: ServicePort): string[] => {
    const { shared, chains } = rulesOf(one, all);
    return [
      ...shared.map(({ table, chain, rule }) => `${table} ${chain} ${rule}`),
      ...[...chains].flatMap(([chain, rules]) => rules.map((rule) => `nat ${chain} ${rule}`)),
    ];
  };

  test('a cluster IP with affinity and two endpoints', () => {
    const [svc, a] = ['KUBE-SVC-XPGD46QRK7WJZT7O', 'KUBE-SEP-SXIVWICOYRO3J4NJ'];
    const about = '-m comment --comment "ns1/svc1:p80';
    const recent = (how: string, chain: string): string =>
      `-m recent ${how} --name ${chain} --mask 255.255.255.255 --rsource`;
    const one = port({
      name: 'ns1/svc1:p80',
      frontends: ['cluster-ip 172.30.0.41:80'],
      endpoints: ['10.180.0.1:80', '10.180.0.2:80'],
      affinity: 60,
    });
    const b = endpointChain(one, one.endpoints[1]!);
    expect(textOf(one)).toEqual([
      `nat KUBE-SERVICES -d 172.30.0.41/32 -p tcp ${about} cluster IP" -m tcp --dport 80 -j ${svc}`,
      `nat ${svc} ! -s 10.244.0.0/16 -d 172.30.0.41/32 -p tcp ${about} cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ`,
      `nat ${svc} ${about} -> 10.180.0.1:80" ${recent('--rcheck --seconds 60 --reap', a)} -j ${a}`,
      `nat ${svc} ${about} -> 10.180.0.2:80" ${recent('--rcheck --seconds 60 --reap', b)} -j ${b}`,
      `nat ${svc} ${about} -> 10.180.0.1:80" -m statistic --mode random --probability 0.50000000000 -j ${a}`,
      `nat ${svc} ${about} -> 10.180.0.2:80" -j ${b}`,
      `nat ${a} -s 10.180.0.1/32 ${about}" -j KUBE-MARK-MASQ`,
      `nat ${a} -p tcp ${about}" ${recent('--set', a)} -m tcp -j DNAT --to-destination 10.180.0.1:80`,
      `nat ${b} -s 10.180.0.2/32 ${about}" -j KUBE-MARK-MASQ`,
      `nat ${b} -p tcp ${about}" ${recent('--set', b)} -m tcp -j DNAT --to-destination 10.180.0.2:80`,
    ]);
  });

  test('without endpoints senders are told; without local ones, where only those count, not', () => {
    const frontends = ['cluster-ip 10.96.0.1:80', 'node-port 30080 local'];
    const about = (why: string): string => `-m comment --comment "a/b has no ${why}endpoints"`;
    expect(textOf(port({ name: 'a/b', frontends }))).toEqual([
      `filter KUBE-SERVICES -d 10.96.0.1/32 -p tcp ${about('')} -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable`,
      `filter KUBE-EXTERNAL-SERVICES -p tcp ${about('')} -m addrtype --dst-type LOCAL -m tcp --dport 30080 -j REJECT --reject-with icmp-port-unreachable`,
    ]);
    expect(textOf(port({ name: 'a/b', frontends, endpoints: ['10.0.0.1:80'] }))).toContain(
      `filter KUBE-EXTERNAL-SERVICES -p tcp ${about('local ')} -m addrtype --dst-type LOCAL -m tcp --dport 30080 -j DROP`,
    );
  });
});

test('health checks of load balancers are let in, with endpoints here or without', () => {
  const one = port({ name: 'a/b', frontends: [], healthCheck: 31_000 });
  expect(rulesOf(one, all).shared).toEqual([
    {
      table: 'filter',
      chain: 'KUBE-NODEPORTS',
      rule: '-p tcp -m comment --comment "a/b health check node port" -m tcp --dport 31000 -j ACCEPT',
    },
  ]);
});

test('node ports on the loopback are counted by a rule before the one for all, whoever comes first', () => {
  const counting: AllSettings = { ...all, counts: new Set(['invalid', 'loopback']) };
  const one = port({ name: 'a/b', frontends: ['node-port 30080'], endpoints: ['10.244.0.1:80'] });
  const { external } = chainsOf(one);
  const about = '-p tcp -m comment --comment "a/b" -m tcp --dport 30080';
  const expected = [
    `-d 127.0.0.0/8 ${about} -m nfacct --nfacct-name  localhost_nps_accepted_pkts -j ${external}`,
    `${about} -j ${external}`,
  ];
  const tables = new FakeTables();
  tables.write(planAll(new Ports(), tables.saved, counting).text);
  tables.write(planChanges([[undefined, one]], counting).text);
  const nodePorts = (): unknown => tables.tables.get('nat')?.get('KUBE-NODEPORTS');
  expect(nodePorts()).toEqual(expected);
  tables.write(planChanges([[one, undefined]], counting).text);
  tables.write(planAll(new Ports(one), tables.saved, counting).text);
  expect(nodePorts()).toEqual(expected);
  expect(tables.tables.get('filter')?.get('KUBE-FORWARD')?.[0]).toBe(
    '-m conntrack --ctstate INVALID -m nfacct --nfacct-name  ct_state_invalid_dropped_pkts -j DROP',
  );
});

test('many ports come in many transactions, and nobody is led to them before the last', () => {
  const many = Array.from({ length: 40 }, (_, n) =>
    port({
      name: `a/s${n}`,
      frontends: [`cluster-ip 10.96.0.${n}:80`],
      endpoints: [`10.244.0.${n}:80`, `10.244.1.${n}:80`],
    }),
  );
  const { text } = planAll(new Ports(...many), new Map(), all, { mostRules: 30 });
  const nat = text.split('*nat\n').slice(1);
  expect(nat.length).toBeGreaterThan(10);
  for (const [index, section] of nat.entries()) {
    const lines = (section.split('COMMIT')[0] ?? '').split('\n');
    const isLast = index === nat.length - 1;
    expect(lines.some((line) => line.startsWith('-A KUBE-SERVICES'))).toBe(isLast);
    if (!isLast) expect(lines.length).toBeLessThan(50);
    // The order that iptables over nf_tables is quick with.
    const chains = lines.filter((line) => line.startsWith(':'));
    expect(chains).toEqual(chains.toSorted().reverse());
  }
  const targets = [...text.matchAll(/^-A KUBE-SERVICES .* -j (KUBE-SVC-\S+)$/gm)].map(([, target]) => target);
  expect(targets).toEqual(targets.toSorted().reverse());
  expect(planAll(new Ports(...many), new Map(), all).text.match(/^\*nat$/gm)).toHaveLength(1);
});

describe('plans', () => {
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
    const endpoints = Array.from({ length: pick(4) }, (_, i) => `10.244.${i}.${n}:${80 + pick(2)}`);
    const policy = ['cluster', 'local'][pick(2)];
    return port({
      name: `default/s${n}`,
      protocol: (['TCP', 'UDP', 'SCTP'] as const)[pick(3)]!,
      frontends: [
        `cluster-ip 10.96.0.${n}:80 ${['cluster', 'local'][pick(2)]}`,
        ...(pick(2) ? [`load-balancer 192.0.2.${n}:80 ${policy}`] : []),
        ...(pick(2) ? [`node-port ${30000 + n} ${policy}`] : []),
      ],
      endpoints,
      local: endpoints.slice(0, pick(3)),
      ...(pick(3) === 0 && { affinity: 10 + pick(2) }),
      ...(pick(3) === 0 && { sources: ['10.0.0.0/8', '0.0.0.0/0'].slice(pick(2)) }),
    });
  }

  test.each([
    [1, Number.POSITIVE_INFINITY],
    [2, 1],
    [3, 7],
    [4, 20],
    [5, Number.POSITIVE_INFINITY],
  ])(
    'any changes end in the tables that a full run makes (seed %i, at most %d at once)',
    (seed, mostRules) => {
      const limits = { mostRules };
      const pick = random(seed);
      const ports = new Ports();
      const byChanges = new FakeTables();
      const first = planAll(ports, byChanges.saved, all, limits);
      const total = { filter: first.rules.filter.more, nat: first.rules.nat.more };
      byChanges.write(first.text);
      for (let round = 0; round < 60; round += 1) {
        const changes: [ServicePort | undefined, ServicePort | undefined][] = [];
        const names = new Set(Array.from({ length: 1 + pick(4) }, () => 1 + pick(12)));
        for (const n of names) {
          const before = ports.get(`default/s${n}`);
          const after = pick(4) ? draw(pick, n) : undefined;
          changes.push([before, after]);
          if (after) ports.set(after);
          else ports.delete(`default/s${n}`);
        }
        const { text, rules } = planChanges(changes, all, limits);
        byChanges.write(text);
        for (const table of ['filter', 'nat'] as const) total[table] += rules[table].more;
        const whole = new FakeTables();
        whole.write(planAll(ports, whole.saved, all, limits).text);
        expect(sorted(byChanges)).toEqual(sorted(whole));
        expect(planAll(ports, byChanges.saved, all)).toEqual({
          text: '',
          changes: 0,
          rules: { filter: { more: total.filter, written: 0 }, nat: { more: total.nat, written: 0 } },
        });
      }
      byChanges.write(planRemoval(byChanges.saved, limits).text);
      const left = [...byChanges.tables.values()].flatMap((table) => [...table.keys()]);
      expect(left.filter((name) => name.startsWith('KUBE-'))).toEqual(['KUBE-FIREWALL']);
    },
  );

  test('what somebody uses of ours stays', () => {
    const tables = parseSaved(
      '*nat\n:KUBE-MARK-MASQ - [0:0]\n:MINE - [0:0]\n-A MINE -j KUBE-MARK-MASQ\nCOMMIT\n',
    );
    expect(planRemoval(tables).text).toBe('');
  });
});
