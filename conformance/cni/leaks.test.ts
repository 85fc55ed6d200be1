import { mkdirSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { writeFile } from '../../shared/sys/file.ts';
import { lock } from '../../shared/sys/lock.ts';
import { run } from '../testing/netns.ts';
import { canWork } from './features.ts';
import { leaked, missing, snapshot } from './leaks.ts';
import type { Container } from './world.ts';
import { enterWorld } from './world.ts';

const world = enterWorld();
afterAll(() => world?.[Symbol.dispose]());

/** Each kind of leak, planted by hand: the check that guards the kill rounds must see every one. */
const plants: [string, () => unknown, RegExp][] = [
  [
    'a host veth',
    () => run('ip', 'link', 'add', 'vethdeadbeef', 'type', 'veth', 'peer', 'name', 'p0'),
    /^link vethdeadbeef$/,
  ],
  [
    'an address',
    () => {
      mkdirSync('/var/lib/cni/networks/n', { recursive: true });
      writeFile('/var/lib/cni/networks/n/10.0.0.2', 'x');
    },
    /^address .*10\.0\.0\.2$/,
  ],
  [
    'an address that stays on a link',
    () => run('ip', 'address', 'add', '10.99.0.1/24', 'dev', 'lo'),
    /^address of lo 10\.99\.0\.1\/24$/,
  ],
  [
    'a route',
    () => run('ip', 'route', 'add', '10.98.0.0/24', 'dev', 'lo', 'table', '77'),
    /^route unicast 10\.98\.0\.0\/24 via - dev lo table 77$/,
  ],
  [
    'an IPv6 route',
    () => run('ip', 'route', 'add', 'fd00:98::/64', 'dev', 'lo'),
    /^route unicast fd00:98::\/64 via - dev lo table main$/,
  ],
  [
    'a neighbour',
    () => {
      run('ip', 'link', 'add', 'br0', 'type', 'bridge');
      run('ip', 'neighbour', 'add', '10.0.0.9', 'lladdr', '02:00:00:00:00:09', 'dev', 'br0');
    },
    /^neighbour 10\.0\.0\.9 dev br0$/,
  ],
  [
    'a forwarding entry',
    () => run('bridge', 'fdb', 'add', '02:00:00:00:00:08', 'dev', 'vethdeadbeef'),
    /^forwarding 02:00:00:00:00:08 dev vethdeadbeef vlan -$/,
  ],
  [
    'a lock file that nobody holds',
    () => {
      mkdirSync('/run/underpod/cni', { recursive: true });
      writeFile('/run/underpod/cni/a.lock', '');
    },
    /^file .*a\.lock$/,
  ],
  ['a lock that is held', () => lock('/run/underpod/cni/b.lock', 0), /^lock .*b\.lock$/],
  ['a temporary file', () => writeFile('/var/lib/cni/.x.tmp', ''), /^file .*\.x\.tmp$/],
  [
    'a masquerade rule',
    () =>
      run(
        'nft',
        'add table inet t; add chain inet t c; add rule inet t c ip saddr 10.0.0.2 masquerade comment "x"',
      ),
    /^rule t c .*masquerade/,
  ],
  [
    'a set element',
    () => run('nft', 'add set inet t s { type ipv4_addr; }; add element inet t s { 10.0.0.2 }'),
    /^element t s "10.0.0.2"/,
  ],
  [
    'an empty chain',
    () => run('nft', 'add table ip cni_hostport; add chain ip cni_hostport left'),
    /^chain ip cni_hostport left$/,
  ],
  ['an empty set', () => run('nft', 'add set inet t empty { type ipv4_addr; }'), /^set inet t empty$/],
  [
    "a map's element",
    () =>
      run(
        'nft',
        'add map inet t m { type inet_service : ipv4_addr; }; add element inet t m { 80 : 10.0.0.2 }',
      ),
    /^element t m .*10\.0\.0\.2/,
  ],
  [
    'a rule of iptables over nf_tables',
    () => run('iptables-nft', '-A', 'FORWARD', '-s', '10.0.0.2', '-j', 'ACCEPT'),
    /^rule filter FORWARD .*10\.0\.0\.2/,
  ],
  [
    'a chain of iptables over nf_tables',
    () => run('iptables-nft', '-t', 'nat', '-N', 'CNI-DN-x'),
    /^chain ip nat CNI-DN-x$/,
  ],
  [
    'a policy rule',
    () => run('ip', 'rule', 'add', 'from', '10.0.0.2', 'table', '100'),
    /^policy -4 \d+ from 10\.0\.0\.2 to all iif - mark - table 100$/,
  ],
  [
    'an IPv6 policy rule',
    () => run('ip', '-6', 'rule', 'add', 'from', 'fd00::2', 'table', '100'),
    /^policy -6 \d+ from fd00::2 to all iif - mark - table 100$/,
  ],
  [
    'a token bucket',
    () => run(...words('tc qdisc add dev vethdeadbeef root tbf rate 1mbit burst 10kb latency 25ms')),
    /^qdisc tbf dev vethdeadbeef /,
  ],
  [
    'an ingress qdisc',
    () => run(...words('tc qdisc add dev vethdeadbeef ingress')),
    /^qdisc ingress dev vethdeadbeef /,
  ],
  [
    'a filter',
    () =>
      run(
        ...words('tc filter add dev vethdeadbeef parent ffff: protocol all u32 match u32 0 0 action mirred'),
        ...words('egress redirect dev vethdeadbeef'),
      ),
    /^filter dev vethdeadbeef action order .*mirred/,
  ],
  ['an ifb device', () => run(...words('ip link add name bwpdeadbeef type ifb')), /^link bwpdeadbeef$/],
  [
    'what a sysctl was before',
    () => {
      mkdirSync('/run/cni/tuning', { recursive: true });
      writeFile('/run/cni/tuning/container_eth0.json', '{}');
    },
    /^file \/run\/cni\/tuning\/container_eth0\.json$/,
  ],
  [
    "host-local's lock while it is held",
    () => lock('/var/lib/cni/networks/n/lock', 0),
    /^lock .*networks\/n\/lock$/,
  ],
];

/** Those of iptables' legacy tables, which not every kernel has. */
const legacyPlants: typeof plants = [
  [
    'a rule of legacy iptables',
    () => run('iptables-legacy', '-t', 'nat', '-A', 'POSTROUTING', '-s', '10.0.0.2', '-j', 'ACCEPT'),
    /^iptables ip nat -A POSTROUTING -s 10\.0\.0\.2/,
  ],
  [
    'a chain of legacy ip6tables',
    () => run('ip6tables-legacy', '-N', 'CNI-X'),
    /^iptables ip6 filter chain CNI-X$/,
  ],
];

function words(text: string): [string, ...string[]] {
  return text.split(' ') as [string, ...string[]];
}

function hasLegacy(): boolean {
  try {
    run('ip6tables-legacy', '-S');
    return true;
  } catch (error) {
    process.stderr.write(`skipped: leaks in legacy iptables: ${String(error)}\n`);
    return false;
  }
}

describe.skipIf(!world)('the leak check', () => {
  test.each(plants)('sees %s', (_, plant, expected) => {
    const before = snapshot();
    const held = plant();
    const found = leaked(before, snapshot());
    expect(found.filter((line) => expected.test(line))).toHaveLength(1);
    if (held && typeof held === 'object' && Symbol.dispose in held) (held as Disposable)[Symbol.dispose]();
  });

  test.skipIf(!world || !hasLegacy()).each(legacyPlants)('sees %s', (_, plant, expected) => {
    const before = snapshot();
    plant();
    expect(leaked(before, snapshot()).filter((line) => expected.test(line))).toHaveLength(1);
  });

  test.skipIf(!world || !canWork('macvlan'))(
    'takes no macvlan that a container has for one, but an address that is on no macvlan any more',
    () => {
      run(...words('ip link add up9 up type veth peer name down9'));
      const before = snapshot();
      const pod = world?.container() as Container;
      run(
        ...words(
          `ip link add mv9 link up9 netns ${pod.id} address 02:00:00:00:00:09 type macvlan mode bridge`,
        ),
      );
      run(...words(`ip -n ${pod.id} link set mv9 up`));
      expect(run(...words('bridge fdb show dev up9'))).toContain('02:00:00:00:00:09');
      expect(leaked(before, snapshot())).toEqual([]);
      run(...words(`ip -n ${pod.id} link set mv9 address 02:00:00:00:00:0a`));
      run(...words('bridge fdb add 02:00:00:00:00:09 dev up9'));
      expect(leaked(before, snapshot())).toEqual(['forwarding 02:00:00:00:00:09 dev up9 vlan -']);
      world?.remove(pod);
      run(...words('ip link delete up9'));
    },
  );

  test('sees what has gone', () => {
    run('ip', 'link', 'add', 'br7', 'type', 'bridge');
    run('ip', 'address', 'add', '10.97.0.1/24', 'dev', 'br7');
    const before = snapshot();
    run('ip', 'address', 'del', '10.97.0.1/24', 'dev', 'br7');
    writeFile('/var/lib/cni/more', '');
    expect(missing(before, snapshot())).toEqual([
      'gone: address of br7 10.97.0.1/24',
      'gone: route local 10.97.0.1 via - dev br7 table local',
    ]);
  });

  test('lets host-local keep its own files', () => {
    const before = snapshot();
    writeFile('/var/lib/cni/networks/n/lock', '');
    writeFile('/var/lib/cni/networks/n/last_reserved_ip.0', '10.0.0.2');
    expect(leaked(before, snapshot())).toEqual([]);
  });
});
