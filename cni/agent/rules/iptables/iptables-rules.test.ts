import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { coverWithTmpfs, freshNetns, run } from '../../../../conformance/testing/netns.ts';
import { parseCidr } from '../../../../shared/ip/cidr.ts';
import { silentLogger } from '../../../../shared/log/logger.ts';
import { FakeKernel } from '../../kernel/fake-kernel.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { LinuxKernel } from '../../kernel/linux-kernel.ts';
import { ForwardGuard } from '../foreign/guard.ts';
import { FormerRules } from '../former-rules.ts';
import { OwnRules } from '../own-rules.ts';
import { OWN_TABLE, type RuleSettings } from '../own-table.ts';
import type { PodRules } from '../pod-rules.ts';
import { IptablesRules } from './iptables-rules.ts';
import { ownVariant } from './own-variant.ts';

const available = freshNetns();
// Names of namespaces are files there, and must not outlive this one.
if (available) coverWithTmpfs('/run');
const sh = (script: string): string => run('sh', '-ec', script);
const cidr = (text: string): NonNullable<ReturnType<typeof parseCidr>> => parseCidr(text)!;

const settings: RuleSettings = {
  networks: [
    { cluster: cidr('10.244.0.0/16'), node: cidr('10.244.3.0/24') },
    { cluster: cidr('fd00:244::/48'), node: cidr('fd00:244:0:3::/64') },
  ],
  ipMasq: true,
  fullyRandom: true,
  forward: true,
};

/** What flanneld 0.28 leaves of a family, as `iptables -S` prints it. */
function flannelRules(all: string, own: string, multicast: string): { nat: string[]; filter: string[] } {
  const masq = '-m comment --comment "flanneld masq" -j';
  return {
    nat: [
      `-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 ${masq} RETURN`,
      `-A FLANNEL-POSTRTG -s ${own} -d ${all} ${masq} RETURN`,
      `-A FLANNEL-POSTRTG -s ${all} -d ${own} ${masq} RETURN`,
      `-A FLANNEL-POSTRTG ! -s ${all} -d ${own} ${masq} RETURN`,
      `-A FLANNEL-POSTRTG -s ${all} ! -d ${multicast} ${masq} MASQUERADE --random-fully`,
      `-A FLANNEL-POSTRTG ! -s ${all} -d ${all} ${masq} MASQUERADE --random-fully`,
    ],
    filter: [
      `-A FLANNEL-FWD -s ${all} -m comment --comment "flanneld forward" -j ACCEPT`,
      `-A FLANNEL-FWD -d ${all} -m comment --comment "flanneld forward" -j ACCEPT`,
    ],
  };
}

const V4 = flannelRules('10.244.0.0/16', '10.244.3.0/24', '224.0.0.0/4');
const V6 = flannelRules('fd00:244::/48', 'fd00:244:0:3::/64', 'ff00::/8');
const MASQUERADE_JUMP = '-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG';
const FORWARD_JUMP = '-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD';

function rulesOf(
  kernel: Kernel,
  allowed: () => boolean = () => true,
): { rules: IptablesRules; repairs: string[] } {
  const repairs: string[] = [];
  const allowRepair = (what: string): boolean => repairs.push(what) > 0 && allowed();
  return { rules: new IptablesRules({ kernel, log: silentLogger, allowRepair }), repairs };
}

const clean = (): string =>
  sh(`nft flush ruleset
    for p in iptables-legacy ip6tables-legacy; do for t in nat filter mangle; do $p -t $t -F; $p -t $t -X; done; $p -P FORWARD ACCEPT; done`);

describe.skipIf(!available).each(['nft', 'legacy'] as const)('iptables over %s', (variant) => {
  const v4 = `iptables-${variant}`;
  const v6 = `ip6tables-${variant}`;
  const lines = (command: string): string[] =>
    sh(command)
      .trim()
      .split('\n')
      .filter((line) => line !== '');
  const everything = (): string => sh(`for p in ${v4} ${v6}; do $p -t nat -S; $p -t filter -S; done`);

  beforeEach(() => {
    clean();
    // By it the kubelet tells which kind of tables a node uses.
    sh(`${v4} -t mangle -N KUBE-IPTABLES-HINT`);
  });

  test("the chains are flanneld's, in both families, and the kernel filters by them", async () => {
    using kernel = LinuxKernel.open();
    const { rules, repairs } = rulesOf(kernel);
    await rules.sync(settings);
    expect(rules.variant).toBe(variant);
    for (const [program, wanted] of [
      [v4, V4],
      [v6, V6],
    ] as const) {
      expect(lines(`${program} -t nat -S FLANNEL-POSTRTG`).slice(1)).toEqual(wanted.nat);
      expect(lines(`${program} -S FLANNEL-FWD`).slice(1)).toEqual(wanted.filter);
      expect(lines(`${program} -t nat -S POSTROUTING`).slice(1)).toEqual([MASQUERADE_JUMP]);
      expect(lines(`${program} -S FORWARD`).slice(1)).toEqual([FORWARD_JUMP]);
    }
    expect(repairs).toEqual([]);
  });

  test("flanneld's own are taken over as they are, and nothing runs while nothing changes", async () => {
    for (const [program, { nat, filter }] of [
      [v4, V4],
      [v6, V6],
    ] as const) {
      sh(`${program}-restore <<'END'
*nat
:FLANNEL-POSTRTG - [0:0]
${MASQUERADE_JUMP}
${nat.join('\n')}
COMMIT
*filter
:FLANNEL-FWD - [0:0]
${FORWARD_JUMP}
${filter.join('\n')}
COMMIT
END`);
    }
    using kernel = LinuxKernel.open();
    const programs: string[] = [];
    const spied = new Proxy(kernel, {
      get: (target, key) => {
        if (key === 'run')
          return (argv: string[], input?: string) => {
            programs.push(argv.join(' '));
            return target.run(argv, input);
          };
        const value: unknown = Reflect.get(target, key);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const before = everything();
    const { rules } = rulesOf(spied);
    await rules.sync(settings);
    expect(everything()).toBe(before);
    expect(programs.filter((line) => line.includes('restore'))).toEqual([]);
    programs.length = 0;
    await rules.sync(settings);
    expect(programs).toEqual([]);
    expect(rules.changedSilently()).toBe(false);
  });

  test.each([
    `${v4} -t nat -F FLANNEL-POSTRTG`,
    `${v4} -t nat -F POSTROUTING`,
    `${v4} -t nat -F; ${v4} -t nat -X`,
    `${v4} -t nat -D FLANNEL-POSTRTG 3`,
    `${v4} -t nat -I FLANNEL-POSTRTG -j ACCEPT`,
    `${v4} -t nat -A POSTROUTING -j FLANNEL-POSTRTG`,
    `${v4} -F FLANNEL-FWD`,
    `${v4} -F FORWARD`,
    `${v6} -t nat -F; ${v6} -F`,
  ])('`%s` is seen, and put right by one program', async (damage) => {
    using kernel = LinuxKernel.open();
    const { rules, repairs } = rulesOf(kernel);
    await rules.sync(settings);
    const before = everything();
    sh(damage);
    expect(rules.mayDiffer()).toBe(true);
    await rules.sync(settings);
    expect(everything()).toBe(before);
    expect(repairs).toHaveLength(1);
    await rules.sync(settings);
    expect(repairs).toHaveLength(1);
    expect(rules.mayDiffer()).toBe(false);
  });

  test("others' rules stay, and a general drop comes after the call of our chain", async () => {
    sh(`${v4} -t nat -A POSTROUTING -s 172.17.0.0/16 -j MASQUERADE
      ${v4} -A FORWARD -s 203.0.113.7/32 -j DROP; ${v4} -A FORWARD -j REJECT`);
    using kernel = LinuxKernel.open();
    const { rules } = rulesOf(kernel);
    await rules.sync(settings);
    expect(lines(`${v4} -t nat -S POSTROUTING`).slice(1)).toEqual([
      '-A POSTROUTING -s 172.17.0.0/16 -j MASQUERADE',
      MASQUERADE_JUMP,
    ]);
    expect(lines(`${v4} -S FORWARD`).slice(1)).toEqual([
      '-A FORWARD -s 203.0.113.7/32 -j DROP',
      FORWARD_JUMP,
      '-A FORWARD -j REJECT --reject-with icmp-port-unreachable',
    ]);
    // The guard of others' chains has nothing to do there.
    const guard = new ForwardGuard({
      kernel,
      log: silentLogger,
      allowRepair: () => true,
      leave: () => rules.variant,
    });
    await guard.check(settings.networks.map(({ cluster }) => cluster));
    expect(guard.places).toEqual([]);
  });

  test('settings may change in any direction; a refused repair is none', async () => {
    using kernel = LinuxKernel.open();
    let allowed = true;
    const { rules } = rulesOf(kernel, () => allowed);
    await rules.sync(settings);
    const before = everything();
    await rules.sync({ ...settings, ipMasq: false, forward: false });
    expect(everything()).not.toMatch(/FLANNEL|flannel/);
    await rules.sync({ ...settings, fullyRandom: false });
    expect(everything()).not.toContain('--random-fully');
    await rules.sync(settings);
    expect(everything()).toBe(before);
    allowed = false;
    sh(`${v4} -t nat -F FLANNEL-POSTRTG`);
    await rules.sync(settings);
    expect(lines(`${v4} -t nat -S FLANNEL-POSTRTG`)).toHaveLength(1);
    await rules.sync({ ...settings, fullyRandom: false });
    expect(lines(`${v4} -t nat -S FLANNEL-POSTRTG`)).toHaveLength(7);
  });

  test('from nftables to iptables and back: nothing is left, and there is always one of both', async () => {
    using kernel = LinuxKernel.open();
    sh(`${v4} -P FORWARD DROP`);
    const networks = settings.networks.map(({ cluster }) => cluster);
    const options = { kernel, log: silentLogger, allowRepair: () => true };
    const gone: string[] = [];
    const turn = async (rules: PodRules, hadIptables: boolean): Promise<void> => {
      await rules.sync(settings);
      await new ForwardGuard({ ...options, leave: () => rules.variant }).check(networks);
      const both = everything().includes('FLANNEL-POSTRTG') || sh('nft list tables').includes(OWN_TABLE.name);
      expect(both).toBe(true);
      const former = new FormerRules({
        ...options,
        rules,
        hadIptables,
        onRemoved: () => gone.push('iptables'),
      });
      expect(former.hasIptables).toBe(hadIptables || rules.backend === 'iptables');
      await former.remove();
    };
    const nftables = (): PodRules => new OwnRules({ ...options, nftables: kernel.nftables });
    await turn(nftables(), false);
    const pure = everything();
    expect(pure).toContain('UNDERPOD-FORWARD');
    await turn(rulesOf(kernel).rules, false);
    expect(sh('nft list tables')).not.toContain(OWN_TABLE.name);
    expect(everything()).not.toContain('UNDERPOD-FORWARD');
    expect(gone).toEqual([]);
    await turn(nftables(), true);
    expect(everything()).toBe(pure);
    expect(gone).toEqual(['iptables']);
    sh(`${v4} -P FORWARD ACCEPT`);
  });

  describe('packets', () => {
    beforeAll(() => {
      // A pod, this node, and a machine that is another node's pod, somebody outside and a multicast group's router.
      sh(`ip netns add pod-${variant}; ip netns add far-${variant}
        off="echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad"; sh -c "$off"; for n in pod far; do ip netns exec $n-${variant} sh -c "$off"; done
        ip link add to-pod type veth peer name eth0 netns pod-${variant}; ip link add to-far type veth peer name eth0 netns far-${variant}
        ip addr add 10.244.3.1/24 dev to-pod; ip link set to-pod up; ip addr add 192.0.2.1/24 dev to-far; ip link set to-far up
        echo 1 > /proc/sys/net/ipv4/ip_forward
        ip route add 10.244.5.0/24 via 192.0.2.2; ip route add 198.51.100.0/24 via 192.0.2.2
        ip -n pod-${variant} addr add 10.244.3.2/24 dev eth0; ip -n pod-${variant} link set eth0 up; ip -n pod-${variant} route add default via 10.244.3.1
        ip -n far-${variant} addr add 192.0.2.2/24 dev eth0; ip -n far-${variant} link set eth0 up; ip -n far-${variant} link set lo up
        ip -n far-${variant} addr add 10.244.5.2/32 dev lo; ip -n far-${variant} addr add 198.51.100.9/32 dev lo; ip -n far-${variant} route add 10.244.3.0/24 via 192.0.2.1
        echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
        ip -6 addr add fd00:244:0:3::1/64 dev to-pod nodad; ip -6 addr add 2001:db8::1/64 dev to-far nodad
        ip -6 route add fd00:244:0:5::/64 via 2001:db8::2; ip -6 route add 2001:db8:9::/64 via 2001:db8::2
        ip -n pod-${variant} -6 addr add fd00:244:0:3::2/64 dev eth0 nodad; ip -n pod-${variant} -6 route add default via fd00:244:0:3::1
        ip -n far-${variant} -6 addr add 2001:db8::2/64 dev eth0 nodad; ip -n far-${variant} -6 addr add fd00:244:0:5::2/128 dev lo; ip -n far-${variant} -6 addr add 2001:db8:9::9/128 dev lo
        ip -n far-${variant} -6 route add fd00:244:0:3::/64 via 2001:db8::1
        ip netns exec far-${variant} nft -f - <<'END'
table inet seen {
  set pairs { type ipv4_addr . ipv4_addr; flags dynamic; size 100; }
  set pairs6 { type ipv6_addr . ipv6_addr; flags dynamic; size 100; }
  chain input { type filter hook input priority 0; add @pairs { ip saddr . ip daddr }; add @pairs6 { ip6 saddr . ip6 daddr }; }
}
END`);
    });
    afterAll(
      () =>
        void sh(
          `ip link del to-pod; ip link del to-far; ip netns del pod-${variant}; ip netns del far-${variant}`,
        ),
    );

    /** Pings from the pod, or from this node, and tells by which source address it was seen. */
    const seenBy = (target: string, from: 'pod' | 'node', mark = 0): string => {
      const within = from === 'pod' ? `ip netns exec pod-${variant}` : '';
      const set = target.includes(':') ? 'pairs6' : 'pairs';
      sh(
        `ip netns exec far-${variant} nft flush set inet seen ${set}; ${within} ping -q -c1 -W2 -m ${mark} ${target} >/dev/null`,
      );
      const shown = sh(`ip netns exec far-${variant} nft list set inet seen ${set}`);
      return new RegExp(`([0-9a-f.:]+) \\. ${target}[ ,]`).exec(shown)?.[1] ?? 'nobody';
    };

    test('between pods the source stays, towards outside it is masqueraded', async () => {
      using kernel = LinuxKernel.open();
      sh(`${v4} -P FORWARD DROP`);
      await rulesOf(kernel).rules.sync(settings);
      expect(seenBy('10.244.5.2', 'pod')).toBe('10.244.3.2');
      expect(seenBy('198.51.100.9', 'pod')).toBe('192.0.2.1');
      expect(seenBy('fd00:244:0:5::2', 'pod')).toBe('fd00:244:0:3::2');
      expect(seenBy('2001:db8:9::9', 'pod')).toBe('2001:db8::1');
      // Marked for masquerading by the proxy: that does it itself.
      expect(seenBy('10.244.5.2', 'node', 0x4000)).toBe('192.0.2.1');
      expect(Number(sh(`${v4} -t nat -L FLANNEL-POSTRTG 1 -v -n -x | awk '{print $1}'`))).toBe(1);
      sh(`${v4} -P FORWARD ACCEPT`);
    });
  });
});

describe('which tables', () => {
  test.skipIf(!available)(
    "the kubelet's hint wins, then where flanneld's chains are, then the program",
    async () => {
      using kernel = LinuxKernel.open();
      clean();
      expect(await ownVariant(kernel)).toBe(
        sh('iptables --version').includes('nf_tables') ? 'nft' : 'legacy',
      );
      sh('iptables-legacy -t nat -N FLANNEL-POSTRTG');
      expect(await ownVariant(kernel)).toBe('legacy');
      sh('iptables-nft -t mangle -N KUBE-IPTABLES-HINT');
      expect(await ownVariant(kernel)).toBe('nft');
      clean();
      sh('iptables-legacy -t mangle -N KUBE-IPTABLES-HINT; iptables-nft -N FLANNEL-FWD');
      expect(await ownVariant(kernel)).toBe('legacy');
      clean();
    },
  );

  test('without programs it says what to do', async () => {
    await expect(rulesOf(new FakeKernel()).rules.sync(settings)).rejects.toThrow('--rules=nftables');
  });
});
