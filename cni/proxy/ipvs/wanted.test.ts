import { describe, expect, test } from 'vitest';
import { formatEntry } from '../../../shared/netlink/requests/ipset.ts';
import { type Endpoint, formatEndpoint } from '../model/endpoint.ts';
import type { ServicePort } from '../model/service-port.ts';
import { address, cidr, port, settings } from '../testing/ports.ts';
import { entryFrom, entryOf } from './keys.ts';
import { SET_KEYS, setNameOf, setTypeOf } from './names.ts';
import { type IpvsSettings, wantedOf } from './wanted.ts';

const all: IpvsSettings = {
  ...settings(4),
  scheduler: 'rr',
  nodeAddresses: ['192.168.1.1', '203.0.113.7'].map(address),
};

/** As people write it: servers with their endpoints, then `SET entry`. */
function textOf(one: ServicePort, more: Partial<IpvsSettings> = {}): string[] {
  const { servers, entries, rules } = wantedOf(one, { ...all, ...more });
  const text = (endpoint: string): string => formatEndpoint(endpoint as Endpoint);
  return [
    ...[...servers].map(([key, { flags, timeout, endpoints }]) =>
      [
        `${text(key.slice(0, -1))}`,
        ...(flags || timeout ? [`${flags}/${timeout}`] : []),
        '→',
        ...endpoints.map(text),
      ].join(' '),
    ),
    ...[...entries].flatMap(([set, keys]) =>
      [...keys].map((key) => `${setNameOf(set, 4)} ${formatEntry(entryOf(setTypeOf(set), key, 4))}`),
    ),
    ...rules,
  ];
}

describe('a port takes', () => {
  test('for a ClusterIP a server, its address, and hairpins of endpoints here', () => {
    const one = port({
      name: 'a/b',
      frontends: ['cluster-ip 10.96.0.1:80'],
      endpoints: ['10.244.1.1:8080', '10.244.2.1:8080'],
      local: ['10.244.1.1:8080'],
      affinity: 60,
    });
    expect(textOf(one)).toEqual([
      '10.96.0.1:80 1/60 → 10.244.1.1:8080 10.244.2.1:8080',
      'KUBE-CLUSTER-IP 10.96.0.1,tcp:80',
      'KUBE-IPVS-IPS 10.96.0.1',
      'KUBE-LOOP-BACK 10.244.1.1,tcp:8080,10.244.1.1',
    ]);
    expect(textOf(one, { scheduler: 'sh' })[0]).toBe('10.96.0.1:80 9/60 → 10.244.1.1:8080 10.244.2.1:8080');
    expect(textOf(one, { scheduler: 'mh' })[0]).toBe('10.96.0.1:80 17/60 → 10.244.1.1:8080 10.244.2.1:8080');
  });

  test('for a node port a server on each of the addresses that have them', () => {
    const one = (protocol: 'TCP' | 'SCTP'): ServicePort =>
      port({
        name: 'a/b',
        protocol,
        frontends: ['node-port 30080 local'],
        endpoints: ['10.0.0.1:80'],
        local: ['10.0.0.1:80'],
      });
    expect(textOf(one('TCP'))).toEqual([
      '192.168.1.1:30080 → 10.0.0.1:80',
      '203.0.113.7:30080 → 10.0.0.1:80',
      'KUBE-NODE-PORT-TCP 30080',
      'KUBE-NODE-PORT-LOCAL-TCP 30080',
      'KUBE-LOOP-BACK 10.0.0.1,tcp:80,10.0.0.1',
    ]);
    expect(textOf(one('SCTP'), { nodePortAddresses: [cidr('203.0.113.0/24')] })).toEqual([
      '203.0.113.7:30080 → 10.0.0.1:80',
      'KUBE-NODE-PORT-SCTP-HASH 203.0.113.7,sctp:30080',
      'KUBE-NODE-PORT-LOCAL-SCTP-HASH 203.0.113.7,sctp:30080',
      'KUBE-LOOP-BACK 10.0.0.1,sctp:80,10.0.0.1',
    ]);
  });

  test('without endpoints a server that tells who asks', () => {
    expect(textOf(port({ name: 'a/b', frontends: ['external-ip 192.0.2.1:80 local'] }))).toEqual([
      '192.0.2.1:80 →',
      'KUBE-EXTERNAL-IP-LOCAL 192.0.2.1,tcp:80',
      'KUBE-IPVS-IPS 192.0.2.1',
    ]);
  });

  test('where endpoints here are wanted and there are none: no server inside, and outside one for pods and the node', () => {
    const one = port({
      name: 'a/b',
      frontends: ['cluster-ip 10.96.0.1:80 local', 'load-balancer 192.0.2.1:80 local'],
      endpoints: ['10.244.2.1:80'],
    });
    const common = [
      'KUBE-CLUSTER-IP 10.96.0.1,tcp:80',
      'KUBE-LOAD-BALANCER-FW 10.96.0.1,tcp:80',
      'KUBE-LOAD-BALANCER-FW 192.0.2.1,tcp:80',
      'KUBE-IPVS-IPS 10.96.0.1',
      'KUBE-IPVS-IPS 192.0.2.1',
      'KUBE-LOAD-BALANCER 192.0.2.1,tcp:80',
      'KUBE-LOAD-BALANCER-LOCAL 192.0.2.1,tcp:80',
    ];
    const server = '192.0.2.1:80 → 10.244.2.1:80';
    expect(textOf(one)).toEqual([
      server,
      ...common,
      'KUBE-LOAD-BALANCER-SOURCE-CIDR 192.0.2.1,tcp:80,10.244.0.0/16',
    ]);
    expect(textOf(one, { localDetector: { by: 'nothing' } })).toEqual([server, ...common]);
    // Sets know nothing of interfaces: everybody is served, as by kube-proxy.
    const byInterface = textOf(one, { localDetector: { by: 'bridge', name: 'cni0' } });
    expect(byInterface).not.toContain('KUBE-LOAD-BALANCER-FW 192.0.2.1,tcp:80');
    expect(byInterface).toContain(server);
    // Source ranges hold for pods, too.
    const ranged = textOf({ ...one, sourceRanges: [cidr('10.244.7.0/24'), cidr('198.51.100.0/24')] });
    expect(ranged.filter((line) => line.includes('CIDR'))).toEqual([
      'KUBE-LOAD-BALANCER-SOURCE-CIDR 192.0.2.1,tcp:80,10.244.7.0/24',
    ]);
  });

  test('for source ranges entries, and a rule where the node is in none of them', () => {
    const one = (...sources: string[]): string[] =>
      textOf(
        port({ name: 'a/b', frontends: ['load-balancer 192.0.2.1:80'], endpoints: ['10.0.0.1:80'], sources }),
      ).filter((line) => /SOURCE|FW|DROP/.test(line));
    expect(one('198.51.100.0/24')).toEqual([
      'KUBE-LOAD-BALANCER-FW 192.0.2.1,tcp:80',
      'KUBE-LOAD-BALANCER-SOURCE-CIDR 192.0.2.1,tcp:80,198.51.100.0/24',
      '-s 192.0.2.1/32 -m ipvs --vproto 6 --vaddr 192.0.2.1 --vport 80 -j DROP',
    ]);
    expect(one('0.0.0.0/0')).toEqual([
      'KUBE-LOAD-BALANCER-SOURCE-IP 192.0.2.1,tcp:80,192.0.2.1',
      'KUBE-LOAD-BALANCER-FW 192.0.2.1,tcp:80',
      'KUBE-LOAD-BALANCER-SOURCE-CIDR 192.0.2.1,tcp:80,0.0.0.0/1',
      'KUBE-LOAD-BALANCER-SOURCE-CIDR 192.0.2.1,tcp:80,128.0.0.0/1',
    ]);
  });
});

test('names of sets fit into the kernel, in both families', () => {
  const names = SET_KEYS.flatMap((set) => [setNameOf(set, 4), setNameOf(set, 6)]);
  expect(new Set(names).size).toBe(names.length);
  expect(Math.max(...names.map((name) => name.length))).toBeLessThanOrEqual(31);
  expect(names).toContain('KUBE-6-LOAD-BALANCER-SOURCE-CID');
});

test('entries are told from their keys and back', () => {
  for (const family of [4, 6] as const) {
    const text = (v4: string, v6: string): string => (family === 4 ? v4 : v6);
    const { entries } = wantedOf(
      port({
        name: 'a/b',
        frontends: [
          text('cluster-ip 10.96.0.1:80', 'cluster-ip [fd00::1]:80'),
          text('load-balancer 192.0.2.1:80', 'load-balancer [2001:db8::1]:80'),
          'node-port 30080',
        ],
        endpoints: [text('10.244.1.1:80', '[fd00:244::1]:80')],
        local: [text('10.244.1.1:80', '[fd00:244::1]:80')],
        sources: [text('192.0.2.0/24', '2001:db8::/32'), text('0.0.0.0/0', '::/0')],
      }),
      { ...all, family, nodeAddresses: [address(text('203.0.113.7', '2001:db8::7'))] },
    );
    expect(entries.size).toBe(8);
    for (const [set, keys] of entries)
      for (const key of keys)
        expect(entryFrom(setTypeOf(set), entryOf(setTypeOf(set), key, family === 4 ? 4 : 16))).toBe(key);
  }
});
