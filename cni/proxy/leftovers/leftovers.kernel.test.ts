import { describe, expect, test } from 'vitest';
import { kernelHas } from '../../../conformance/testing/kernel-features.ts';
import { freshNetns, run } from '../../../conformance/testing/netns.ts';
import { silentLogger } from '../../../shared/log/logger.ts';
import { NfCounters } from '../../../shared/netlink/nfacct.ts';
import { COUNTERS } from '../iptables/counters.ts';
import { removalOf } from './iptables-plan.ts';
import { removeKubeProxyRules } from './kube-proxy.ts';

const available = freshNetns();

/** Newer kernels are built without it. */
function hasLegacy(): boolean {
  return Bun.spawnSync(['iptables-legacy', '-t', 'nat', '-S']).exitCode === 0;
}

/** As kube-proxy in its iptables mode writes them, shortened; the kubelet's and somebody else's among them. */
const NAT = `*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:CNI-HOSTPORT-DNAT - [0:0]
:KUBE-KUBELET-CANARY - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-PROXY-CANARY - [0:0]
:KUBE-SEP-ABCDEFGHIJKLMNO2 - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-ABCDEFGHIJKLMNO2 - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A CNI-HOSTPORT-DNAT -p tcp -j RETURN
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-SEP-ABCDEFGHIJKLMNO2 -s 10.244.1.2/32 -j KUBE-MARK-MASQ
-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -j KUBE-SVC-ABCDEFGHIJKLMNO2
-A KUBE-SVC-ABCDEFGHIJKLMNO2 -j KUBE-SEP-ABCDEFGHIJKLMNO2
COMMIT
`;
const FILTER = `*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
-A INPUT -j KUBE-FIREWALL
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
COMMIT
`;

test('what is removed is what kube-proxy wrote', () => {
  expect(removalOf(`# Generated\n${NAT}${FILTER}`)).toBe(`*nat
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-PROXY-CANARY - [0:0]
:KUBE-SEP-ABCDEFGHIJKLMNO2 - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-ABCDEFGHIJKLMNO2 - [0:0]
-D PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-D OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-D POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-X KUBE-NODEPORTS
-X KUBE-POSTROUTING
-X KUBE-PROXY-CANARY
-X KUBE-SEP-ABCDEFGHIJKLMNO2
-X KUBE-SERVICES
-X KUBE-SVC-ABCDEFGHIJKLMNO2
COMMIT
*filter
:KUBE-FORWARD - [0:0]
-D FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-X KUBE-FORWARD
COMMIT
`);
  expect(removalOf('')).toBeUndefined();
  expect(
    removalOf('*filter\n:INPUT ACCEPT [0:0]\n:KUBE-FIREWALL - [0:0]\n-A INPUT -j KUBE-FIREWALL\nCOMMIT\n'),
  ).toBeUndefined();
});

describe.skipIf(!available)('in the kernel', () => {
  test.each(['nft', 'legacy'])("kube-proxy's chains go, others' stay (%s)", async (variant) => {
    if (variant === 'legacy' && !hasLegacy()) return;
    for (const program of [`iptables-${variant}`, `ip6tables-${variant}`]) {
      const text = program.startsWith('ip6')
        ? NAT.replaceAll('10.244.1.2/32', 'fd00::2/128').replaceAll('10.96.0.10/32', 'fd00:96::1/128')
        : NAT;
      const restored = Bun.spawnSync([`${program}-restore`], { stdin: Buffer.from(text + FILTER) });
      expect(restored.stderr.toString()).toBe('');
    }
    expect((await removeKubeProxyRules(silentLogger)).removed).toEqual([
      `chains of iptables-${variant}`,
      `chains of ip6tables-${variant}`,
    ]);
    for (const program of [`iptables-${variant}`, `ip6tables-${variant}`]) {
      const left = run(`${program}-save`)
        .split('\n')
        .filter((line) => line.includes('KUBE') || line.includes('HOSTPORT'));
      expect(left.map((line) => line.replace(/ \[.*$/, '')).sort()).toEqual([
        '-A CNI-HOSTPORT-DNAT -p tcp -j RETURN',
        '-A INPUT -j KUBE-FIREWALL',
        '-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000',
        '-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT',
        ':CNI-HOSTPORT-DNAT -',
        ':KUBE-FIREWALL -',
        ':KUBE-KUBELET-CANARY -',
        ':KUBE-MARK-MASQ -',
      ]);
    }
    expect((await removeKubeProxyRules(silentLogger)).removed).toEqual([]);
    for (const program of [`iptables-${variant}`, `ip6tables-${variant}`])
      for (const table of ['nat', 'filter']) run(program, '-t', table, '-F');
  });

  test('its counters go', async () => {
    using counters = NfCounters.open();
    if (!counters) return;
    for (const name of [COUNTERS.invalid, 'somebodys']) counters.ensure(name);
    // Where the tables are ours by now, they are ours as well.
    expect((await removeKubeProxyRules(silentLogger, { keep: 'nft' })).removed).toEqual([]);
    expect((await removeKubeProxyRules(silentLogger)).removed).toEqual(['counters of packets']);
    expect(counters.get(COUNTERS.invalid)).toBeUndefined();
    expect(counters.get('somebodys')).toBeDefined();
  });

  test('its tables go', async () => {
    for (const family of ['ip', 'ip6']) run('nft', 'add', 'table', family, 'kube-proxy');
    run('nft', 'add', 'table', 'ip', 'somebody');
    expect((await removeKubeProxyRules(silentLogger)).removed).toEqual([
      'table ip kube-proxy',
      'table ip6 kube-proxy',
    ]);
    expect(run('nft', 'list', 'tables')).toContain('table ip somebody');
    expect(run('nft', 'list', 'tables')).not.toContain('kube-proxy');
  });

  test.skipIf(!kernelHas('dummy'))('its device goes', async () => {
    run('ip', 'link', 'add', 'kube-ipvs0', 'type', 'dummy');
    expect((await removeKubeProxyRules(silentLogger)).removed).toEqual(['device kube-ipvs0']);
    expect(run('ip', 'link')).not.toContain('kube-ipvs0');
  });
});
