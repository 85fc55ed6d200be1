import { beforeEach, describe, expect, test } from 'vitest';
import { freshNetns, run } from '../../../../conformance/testing/netns.ts';
import { parseCidr } from '../../../../shared/ip/cidr.ts';
import { createLogger } from '../../../../shared/log/logger.ts';
import { NftError } from '../../../../shared/nftables/error.ts';
import { FakeKernel } from '../../kernel/fake-kernel.ts';
import { LinuxKernel } from '../../kernel/linux-kernel.ts';
import { ForwardGuard } from './guard.ts';

const available = freshNetns();
const networks = [parseCidr('10.244.0.0/16')!, parseCidr('fd00:244::/48')!];
const sh = (script: string): string => run('sh', '-ec', script);

function guardOf(
  kernel: LinuxKernel | FakeKernel,
  lines: string[] = [],
): { guard: ForwardGuard; repairs: string[] } {
  const repairs: string[] = [];
  const allowRepair = (object: string): boolean => repairs.push(object) > 0;
  const log = createLogger('t', { sink: (line) => lines.push(line) });
  return { guard: new ForwardGuard({ kernel, log, allowRepair }), repairs };
}

describe.skipIf(!available)('foreign chains in the kernel', () => {
  beforeEach(() => {
    sh(`nft flush ruleset
      for program in iptables-legacy ip6tables-legacy; do $program -F; $program -X; $program -P FORWARD ACCEPT; done`);
  });

  test.each(['nft', 'legacy'] as const)(
    'iptables over %s: policy drop gets the accept, again after a flush',
    async (variant) => {
      using kernel = LinuxKernel.open();
      const { guard, repairs } = guardOf(kernel);
      sh(`iptables-${variant} -P FORWARD DROP; ip6tables-${variant} -P FORWARD DROP`);
      await guard.check(networks);
      for (const [program, network] of [
        ['iptables', '10.244.0.0/16'],
        ['ip6tables', 'fd00:244::/48'],
      ] as const) {
        const rules = sh(`${program}-${variant} -S`);
        expect(rules).toContain(
          '-A FORWARD -m comment --comment "underpod agent: forward pods" -j UNDERPOD-FORWARD',
        );
        expect(rules).toContain(`-A UNDERPOD-FORWARD -s ${network} -j ACCEPT`);
      }
      expect(guard.places).toHaveLength(2);
      expect(repairs).toEqual([]);

      const before = sh(`iptables-${variant}-save; ip6tables-${variant}-save`).replaceAll(/^#.*$/gm, '');
      await guard.check(networks);
      expect(sh(`iptables-${variant}-save; ip6tables-${variant}-save`).replaceAll(/^#.*$/gm, '')).toBe(
        before,
      );
      expect(guard.legacyChanged()).toBe(false);

      sh(`iptables-${variant} -F FORWARD`);
      if (variant === 'legacy') expect(guard.legacyChanged()).toBe(true);
      await guard.check(networks);
      expect(sh(`iptables-${variant} -S FORWARD`)).toContain('UNDERPOD-FORWARD');
      expect(repairs).toHaveLength(1);
    },
  );

  test('a machine with rules in both gets the accept in both', async () => {
    using kernel = LinuxKernel.open();
    const { guard } = guardOf(kernel);
    sh('iptables-nft -P FORWARD DROP; iptables-legacy -A FORWARD -j REJECT');
    await guard.check(networks);
    expect(sh('iptables-nft -S FORWARD')).toContain('UNDERPOD-FORWARD');
    expect(sh('iptables-legacy -S FORWARD')).toMatch(/UNDERPOD-FORWARD\n-A FORWARD -j REJECT/);
  });

  test('iptables over nft is read as it is: chains of Docker, a commented reject, later drops', async () => {
    using kernel = LinuxKernel.open();
    const { guard, repairs } = guardOf(kernel);
    sh(`iptables-nft-restore <<'END'
*filter
:FORWARD ACCEPT [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j REJECT
-A FORWARD -p tcp -m tcp --dport 25 -j DROP
-A FORWARD -m comment --comment "deny the rest" -j REJECT --reject-with icmp-host-prohibited
-A DOCKER-USER ! -i lo -m comment --comment "closed" -j DROP
-A DOCKER-USER -j RETURN
COMMIT
END`);
    await guard.check(networks);
    const jumps = (): string[] =>
      sh('iptables-nft -S')
        .split('\n')
        .filter((line) => /^-A (FORWARD|DOCKER-USER)/.test(line))
        .map((line) => line.replace(/.* -j /, ''));
    expect(jumps()).toEqual([
      'DOCKER-USER',
      'REJECT --reject-with icmp-port-unreachable',
      'DROP',
      'UNDERPOD-FORWARD',
      'REJECT --reject-with icmp-host-prohibited',
      'UNDERPOD-FORWARD',
      'DROP',
      'RETURN',
    ]);
    sh('iptables-nft -I FORWARD 2 -j DROP; iptables-nft -F UNDERPOD-FORWARD');
    await guard.check(networks);
    expect(jumps().slice(0, 3)).toEqual(['DOCKER-USER', 'UNDERPOD-FORWARD', 'DROP']);
    expect(sh('iptables-nft -S UNDERPOD-FORWARD')).toContain('-d 10.244.0.0/16 -j ACCEPT');
    expect(repairs).toHaveLength(1);
    await guard.check(networks);
    expect(repairs).toHaveLength(1);
  });

  test('nothing is written where nothing drops, and no table comes into being', async () => {
    using kernel = LinuxKernel.open();
    const { guard } = guardOf(kernel);
    await guard.check(networks);
    sh(
      'nft add table inet calm; nft add chain inet calm forward "{ type filter hook forward priority 0; policy accept; }"',
    );
    const before = sh('nft list ruleset');
    await guard.check(networks);
    expect(sh('nft list ruleset')).toBe(before);
    expect(guard.places).toEqual([]);
  });

  test('native chains: before a general drop, or at the end of one with policy drop', async () => {
    using kernel = LinuxKernel.open();
    const { guard, repairs } = guardOf(kernel);
    sh(`nft -f - <<'END'
      table inet hardened {
        chain input { type filter hook input priority filter; policy drop; }
        chain forward {
          type filter hook forward priority filter; policy drop;
          ct state established accept
          ip saddr 10.244.1.9 drop
        }
      }
      table ip custom {
        chain fw {
          type filter hook forward priority 10; policy accept;
          ct state invalid drop
          counter log prefix "dropped: " reject
        }
      }
END`);
    await guard.check(networks);
    const rules = (chain: string): string[] =>
      sh(`nft list chain ${chain}`)
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => /accept|drop|reject/.test(line))
        .slice(1);
    const accepts = [
      'ip saddr 10.244.0.0/16 accept comment "underpod agent: forward pods"',
      'ip daddr 10.244.0.0/16 accept comment "underpod agent: forward pods"',
    ];
    expect(rules('inet hardened forward')).toEqual([
      'ct state established accept',
      'ip saddr 10.244.1.9 drop',
      ...accepts,
      'ip6 saddr fd00:244::/48 accept comment "underpod agent: forward pods"',
      'ip6 daddr fd00:244::/48 accept comment "underpod agent: forward pods"',
    ]);
    expect(rules('ip custom fw').slice(0, 3)).toEqual(['ct state invalid drop', ...accepts]);
    expect(sh('nft list chain inet hardened input')).not.toContain('underpod');

    // Another drop before them, one of them gone: they are put right, nothing is doubled.
    sh('nft insert rule ip custom fw drop');
    const handle = /handle (\d+)/.exec(
      sh('nft -a list chain inet hardened forward | grep fd00 | head -1'),
    )?.[1];
    sh(`nft delete rule inet hardened forward handle ${handle}`);
    await guard.check(networks);
    expect(rules('ip custom fw').slice(0, 3)).toEqual([...accepts, 'drop']);
    expect(rules('inet hardened forward')).toHaveLength(6);
    expect(repairs).toHaveLength(2);
    await guard.check(networks);
    expect(repairs).toHaveLength(2);
  });

  test("firewalld's table: the accept stands before its dispatch to zones that reject", async () => {
    using kernel = LinuxKernel.open();
    const { guard } = guardOf(kernel);
    sh(`nft -f - <<'END'
      table inet firewalld {
        chain filter_FORWARD {
          type filter hook forward priority filter + 10; policy accept;
          ct state { established, related } accept
          ct status dnat accept
          iifname "lo" accept
          ct state invalid drop
          jump filter_FORWARD_ZONES
          reject with icmpx admin-prohibited
        }
        chain filter_FORWARD_ZONES { iifname "eth0" goto filter_FWD_public; goto filter_FWD_public; }
        chain filter_FWD_public { jump filter_FWD_public_allow; reject with icmpx admin-prohibited; }
        chain filter_FWD_public_allow { }
      }
END`);
    await guard.check(networks);
    const chain = sh('nft list chain inet firewalld filter_FORWARD');
    expect(chain.indexOf('ip saddr 10.244.0.0/16 accept')).toBeGreaterThan(
      chain.indexOf('ct state invalid drop'),
    );
    expect(chain.indexOf('ip saddr 10.244.0.0/16 accept')).toBeLessThan(
      chain.indexOf('jump filter_FORWARD_ZONES'),
    );
    // A chain that was looked at on the way is watched; others are not.
    const event = (name: string): Parameters<typeof guard.concerns>[0] => ({
      kind: 'nftables',
      family: 'inet',
      table: 'firewalld',
      chain: name,
    });
    expect(guard.concerns(event('filter_FWD_public'))).toBe(true);
    expect(guard.concerns(event('filter_INPUT'))).toBe(false);
  });

  test.each([
    ['iifname vmap { "lo" : accept, "eth0" : jump fromext }', true],
    ['meta nfproto ipv4 oifname vmap { "eth0" : goto fromext, "eth1" : accept }', true],
    ['iifname . oifname vmap { "eth1" . "eth2" : accept, "eth0" . "eth1" : drop }', true],
    ['iif vmap { lo : drop }', true],
    ['meta nfproto vmap { ipv4 : accept, ipv6 : jump fromext }', true],
    ['iifname vmap @zones', true],
    ['iifname vmap { "docker0" : drop, "lo" : accept, "eth0" : jump calm }', false],
    ['ct state vmap { established : accept, invalid : drop }', false],
    ['tcp dport vmap { 25 : drop }', false],
    ['iifname . ip saddr vmap { "eth0" . 10.0.0.1 : drop }', 'told'],
  ])('a map of verdicts: `%s` gets an accept before it: %s', async (rule, expected) => {
    using kernel = LinuxKernel.open();
    const lines: string[] = [];
    const { guard, repairs } = guardOf(kernel, lines);
    sh(`nft -f - <<'END'
      table inet router {
        map zones { type ifname : verdict; elements = { "eth0" : jump fromext } }
        chain fromext { ct state established accept; drop; }
        chain calm { ct state invalid drop; }
        chain forward {
          type filter hook forward priority filter; policy accept;
          ct state established accept
          ${rule}
        }
      }
END`);
    await guard.check(networks);
    await guard.check(networks);
    const shown = sh('nft list chain inet router forward').split('\n').slice(3).join('\n');
    const accept = shown.indexOf('ip saddr 10.244.0.0/16 accept');
    if (expected === true) {
      expect(accept).toBeGreaterThan(shown.indexOf('ct state established accept'));
      expect(accept).toBeLessThan(shown.indexOf('vmap'));
    } else {
      expect(accept).toBe(-1);
    }
    expect(lines.filter((line) => line.includes('not understood'))).toHaveLength(expected === 'told' ? 1 : 0);
    expect(repairs).toEqual([]);
  });

  test('a table that nft made under the name of iptables is treated as what it is', async () => {
    using kernel = LinuxKernel.open();
    const { guard } = guardOf(kernel);
    sh(`nft -f - <<'END'
      table ip filter {
        set strange { type ipv4_addr; }
        chain FORWARD { type filter hook forward priority filter; policy drop; ip saddr @strange accept; }
      }
END`);
    await guard.check(networks);
    expect(sh('nft list chain ip filter FORWARD')).toContain('ip daddr 10.244.0.0/16 accept');
  });
});

describe('what can go wrong', () => {
  test('legacy rules without their programs are told once', async () => {
    const kernel = new FakeKernel();
    const lines: string[] = [];
    const { guard } = guardOf(kernel, lines);
    kernel.legacy.set(4, 'rules');
    await guard.check(networks);
    await guard.check(networks);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('install');
  });

  test("iptables' own words reach the error", async () => {
    const kernel = new FakeKernel();
    kernel.legacy.set(4, 'rules');
    kernel.programs.set('iptables-legacy', () => ({}));
    kernel.programs.set('iptables-legacy-save', () => ({ code: 4, stderr: "can't initialize\n" }));
    await expect(guardOf(kernel).guard.check(networks)).rejects.toThrow(
      "iptables-legacy-save ended with 4: can't initialize",
    );
  });

  test('plain iptables serves for the tables that it says it is for', async () => {
    const kernel = new FakeKernel();
    kernel.legacy.set(4, 'rules');
    const inputs: (string | undefined)[] = [];
    kernel.programs.set('iptables', () => ({ stdout: 'iptables v1.6.1\n' }));
    kernel.programs.set('iptables-save', () => ({ stdout: '*filter\n:FORWARD DROP [0:0]\nCOMMIT\n' }));
    kernel.programs.set('iptables-restore', (_argv, input) => {
      inputs.push(input);
      return {};
    });
    await guardOf(kernel).guard.check(networks);
    expect(inputs).toHaveLength(1);
    expect(inputs[0]).toContain('-I FORWARD 1');
  });

  test('a firewalld that owns its table is asked by its own program', async () => {
    const kernel = new FakeKernel();
    const { Transaction } = await import('../../../../shared/nftables/transaction.ts');
    const table = { family: 'inet', name: 'firewalld' } as const;
    kernel.nftables.run(
      new Transaction().add({ kind: 'table', ...table }).add({
        kind: 'chain',
        family: 'inet',
        table: 'firewalld',
        name: 'filter_FORWARD',
        base: { type: 'filter', hook: 'forward', priority: 10, policy: 'drop' },
      }),
    );
    const asFirewalld = kernel.nftables.run.bind(kernel.nftables);
    kernel.nftables.run = () => {
      throw new NftError('add rule', 'EPERM');
    };
    const asked: string[] = [];
    let isTrusted = false;
    kernel.programs.set('firewall-cmd', (argv) => {
      const [, , what = ''] = argv;
      asked.push(what);
      if (what.startsWith('--query')) return { code: isTrusted ? 0 : 1 };
      isTrusted = true;
      return { code: asked.length === 1 ? 0 : 11 };
    });
    const adding = ['--add-source=10.244.0.0/16', '--add-source=fd00:244::/48'];
    const querying = ['--query-source=10.244.0.0/16', '--query-source=fd00:244::/48'];
    const { guard, repairs } = guardOf(kernel);
    await guard.check(networks);
    expect(asked.splice(0)).toEqual(adding);
    // Once more, by what firewalld has made of it, and not again.
    await guard.check(networks);
    await guard.check(networks);
    expect(asked.splice(0)).toEqual(querying);
    expect(repairs).toEqual([]);
    // Somebody takes the networks out of the zone.
    const chain = 'filter_FORWARD';
    expect(guard.concerns({ kind: 'nftables', family: 'inet', table: 'firewalld', chain })).toBe(true);
    isTrusted = false;
    asFirewalld(
      new Transaction().add({ kind: 'rule', family: 'inet', table: 'firewalld', chain, expressions: [] }),
    );
    await guard.check(networks);
    expect(asked.splice(0)).toEqual([...querying.slice(0, 1), ...adding]);
    expect(repairs).toHaveLength(1);
    kernel.programs.set('firewall-cmd', () => ({ code: 252, stderr: 'not running' }));
    await expect(guardOf(kernel).guard.check(networks)).rejects.toThrow(
      /firewall-cmd --permanent --zone=trusted.*not running/,
    );
    // In an image there is none: the node is not held up by it, and somebody is told, once.
    kernel.programs.clear();
    const lines: string[] = [];
    const { guard: contained } = guardOf(kernel, lines);
    await contained.check(networks);
    await contained.check(networks);
    expect(lines.filter((line) => line.includes('--permanent --zone=trusted'))).toHaveLength(1);
    expect(contained.places).toEqual([]);
  });
});
