import { beforeEach, describe, expect, test } from 'vitest';
import { LinuxKernel } from '../../../cni/agent/kernel/linux-kernel.ts';
import type { AgentStatus } from '../../../cni/agent/status.ts';
import { freshNetns, run } from '../../../conformance/testing/netns.ts';
import { forwardDrops, tunnelInput } from '../filters.ts';
import type { Traffic } from '../traffic.ts';
import { type JudgedRule, type Verdict, walk } from './walk.ts';

const available = freshNetns();
const sh = (script: string): string => run('sh', '-ec', script);

const VXLAN: Traffic = { kind: 'vxlan', port: 8472, what: 'UDP port 8472' };
const IPIP: Traffic = { kind: 'ipip', what: 'IP-in-IP' };
const status = {
  underlays: [{ interface: 'eth0', address: '192.0.2.1', publicIp: '192.0.2.1', mtu: 1500 }],
  peers: { total: 1, carried: 0, skipped: [], paths: [{ endpoint: '192.0.2.7' }] },
} as unknown as AgentStatus;

describe.skipIf(!available)('rules in the kernel', () => {
  beforeEach(() => {
    sh('nft flush ruleset; iptables-legacy -F; iptables-legacy -X; iptables-legacy -P INPUT ACCEPT');
  });

  async function verdicts(traffic: Traffic = VXLAN): Promise<string[]> {
    using kernel = LinuxKernel.open();
    const input = await tunnelInput(kernel, traffic, status);
    return (input?.chains ?? []).map(({ place, verdict }) => `${place}: ${verdict}`);
  }

  /** What a chain of these rules, with policy drop, says of the peer's packet; `accepted` ones are really let in. */
  test.each<[string, Verdict]>([
    ['udp dport 8472 accept', 'accepted'],
    ['udp dport { 53, 8472 } accept', 'accepted'],
    ['udp dport 8000-9000 accept', 'accepted'],
    ['udp dport { 1-100, 8000-9000 } accept', 'accepted'],
    ['udp dport 4789 accept', 'dropped'],
    ['tcp dport 8472 accept', 'dropped'],
    ['ct state established,related accept', 'dropped'],
    ['ct state new accept', 'accepted'],
    ['ct state vmap { established : accept, new : jump more }', 'accepted'],
    ['ip saddr 192.0.2.0/24 accept', 'accepted'],
    ['ip saddr 192.0.2.0/30 accept', 'dropped'],
    ['ip saddr != 192.0.2.7 accept', 'dropped'],
    ['ip saddr @nodes udp dport 8472 accept', 'accepted'],
    ['ip daddr 192.0.2.1 accept', 'accepted'],
    ['iifname "eth0" accept', 'accepted'],
    ['iifname "eth*" udp dport 8472 counter accept', 'accepted'],
    ['iifname "wan0" accept', 'dropped'],
    ['iifname vmap { "lo" : accept, "eth0" : jump more }', 'accepted'],
    ['ip protocol udp accept', 'accepted'],
    ['meta l4proto { tcp, icmp } accept', 'dropped'],
    ['meta l4proto . th dport { udp . 8472 } accept', 'accepted'],
    ['fib daddr type local accept', 'accepted'],
    ['meta mark and 0x1 == 0x1 accept', 'dropped'],
    ['udp sport 8472 accept', 'unsure'],
    ['meta skuid 0 accept', 'unsure'],
    ['limit rate 10/second accept', 'unsure'],
    ['udp dport 8472 log prefix "in" drop', 'dropped'],
    ['jump more', 'accepted'],
    ['jump back; udp dport 8472 accept', 'accepted'],
    ['udp sport 1 return; accept', 'unsure'],
  ])('nft: `%s`: %s', async (rule, expected) => {
    sh(`nft -f - <<'END'
table inet host {
  set nodes { type ipv4_addr; elements = { 192.0.2.7, 192.0.2.8 } }
  chain more { udp dport 8472 accept; }
  chain back { return; drop; }
  chain input { type filter hook input priority 0; policy drop; ${rule}; }
}
END`);
    const shown = (await verdicts()).filter((line) => line.startsWith('chain'));
    expect(shown).toEqual([`chain input of table inet host: ${expected}`]);
  });

  test.each<[string, Verdict]>([
    ['-p udp -m udp --dport 8472 -j ACCEPT', 'accepted'],
    ['-p udp -m multiport --dports 53,8000:9000 -j ACCEPT', 'accepted'],
    ['-p udp -m udp --dport 4789 -j ACCEPT', 'dropped'],
    ['-p tcp -m tcp --dport 8472 -j ACCEPT', 'dropped'],
    ['-s 192.0.2.0/24 -j ACCEPT', 'accepted'],
    ['! -s 192.0.2.7 -j ACCEPT', 'dropped'],
    ['-i eth0 -m comment --comment "from -p tcp nodes" -j ACCEPT', 'accepted'],
    ['-i wan+ -j ACCEPT', 'dropped'],
    ['-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT', 'dropped'],
    ['-m conntrack --ctstate NEW -j ACCEPT', 'accepted'],
    ['-m limit --limit 5/sec -j ACCEPT', 'unsure'],
    ['-m mark --mark 0x1 -j ACCEPT', 'unsure'],
    ['-j MORE', 'accepted'],
  ])('iptables of both kinds: `%s`: %s', async (rule, expected) => {
    for (const variant of ['nft', 'legacy']) {
      sh(`iptables-${variant} -N MORE; iptables-${variant} -A MORE -p udp --dport 8472 -j ACCEPT
        iptables-${variant} -A INPUT ${rule}; iptables-${variant} -P INPUT DROP`);
    }
    const shown = (await verdicts()).filter((line) => line.startsWith('INPUT of iptables'));
    sh('iptables-legacy -P INPUT ACCEPT');
    expect(shown).toEqual([
      `INPUT of iptables (nft): ${expected}`,
      `INPUT of iptables (legacy): ${expected}`,
    ]);
  });

  test('IP-in-IP has no port, plain routes have nothing to ask for', async () => {
    sh(
      `nft 'add table ip t; add chain ip t in { type filter hook input priority 0; policy drop; }; add rule ip t in ip protocol 4 accept'`,
    );
    expect(await verdicts(IPIP)).toContain('chain in of table ip t: accepted');
    expect(await verdicts()).toContain('chain in of table ip t: dropped');
    expect(await verdicts({ kind: 'plain', what: '' })).toEqual([]);
  });

  test('a forward chain that drops is named, and nothing is written', async () => {
    using kernel = LinuxKernel.open();
    sh(`iptables-nft -P FORWARD DROP; iptables-legacy -P FORWARD DROP
      nft 'add table inet hard; add chain inet hard through { type filter hook forward priority 0; policy drop; }'`);
    const before = sh('nft list ruleset; iptables-legacy -S');
    const { forwardDrops: places, forwardProblem } = await forwardDrops(kernel, ['10.244.0.0/16'], {
      rules: 'nftables',
      forwardAccepts: [],
    });
    expect(forwardProblem).toBeUndefined();
    expect([...places].sort()).toEqual([
      'FORWARD of iptables (legacy)',
      'FORWARD of iptables (nft)',
      'chain through of table inet hard',
    ]);
    expect(sh('nft list ruleset; iptables-legacy -S')).toBe(before);
    sh('iptables-legacy -P FORWARD ACCEPT');
  });
});

describe('chains with rules that cannot be judged', () => {
  const rule = (match: JudgedRule['match'], effect: JudgedRule['effect']): JudgedRule => ({ match, effect });
  const verdict = (...rules: JudgedRule[]): Verdict =>
    walk({ policy: 'drop', rules }, (name) =>
      name === 'drops' ? { rules: [rule('yes', 'drop')] } : { rules: [rule('maybe', 'accept')] },
    );

  test.each<[string, JudgedRule[], Verdict]>([
    ['a maybe that says what comes anyway', [rule('maybe', 'drop')], 'dropped'],
    ['a maybe that says otherwise', [rule('maybe', 'accept')], 'unsure'],
    ['a sure one before it', [rule('yes', 'drop'), rule('maybe', 'accept')], 'dropped'],
    ['a chain that may be called', [rule('maybe', { jump: 'drops' }), rule('yes', 'accept')], 'unsure'],
    ['a chain that is called and is not sure', [rule('yes', { jump: 'unsure' })], 'unsure'],
    ['a chain that nobody has', [rule('no', { jump: 'drops' }), rule('yes', 'accept')], 'accepted'],
    ['a return that may be', [rule('maybe', 'return'), rule('yes', 'accept')], 'unsure'],
  ])('%s', (_what, rules, expected) => {
    expect(verdict(...rules)).toBe(expected);
  });

  test('chains that call each other come to an end', () => {
    const loop = { rules: [rule('yes', { jump: 'self' })] };
    expect(walk({ ...loop, policy: 'accept' }, () => loop)).toBe('accepted');
  });
});
