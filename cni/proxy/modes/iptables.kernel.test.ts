import { afterAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { freshNetns, run } from '../../../conformance/testing/netns.ts';
import { type Clock, systemClock } from '../../../shared/daemon/clock.ts';
import { readSysctl, writeSysctl } from '../../../shared/sys/sysctl.ts';
import { IptablesMode } from '../iptables/iptables-mode.ts';
import { needTables } from '../iptables/kernel-tables.ts';
import { Machine } from '../iptables/machine.ts';
import { chainsOf } from '../iptables/names.ts';
import { PacketCounters } from '../iptables/packet-counters.ts';
import { cidr, Ports, port, settings } from '../testing/ports.ts';
import { until } from '../testing/until.ts';
import { IptablesKit } from './iptables.ts';

const web = port({
  name: 'a/b',
  frontends: ['cluster-ip 10.96.0.1:80', 'node-port 30080'],
  endpoints: ['10.244.1.1:80'],
});
const TABLES = ['nat', 'filter', 'mangle'];
/** Twenty times as fast, not to wait for looks at legacy tables. */
const clock: Clock = { ...systemClock, after: (ms, callback) => systemClock.after(ms / 20, callback) };
const open = (localhostNodePorts = true): Promise<IptablesKit> =>
  IptablesKit.open({ clock, localhostNodePorts, procSys: '/proc/sys' });
const saved = (variant: string): string =>
  TABLES.map((table) => run(`iptables-${variant}-save`, '-t', table).replace(/^#.*$/gm, '')).join('');
const rulesOf = (variant: string): string[] =>
  saved(variant)
    .split('\n')
    .filter((line) => line.startsWith('-A'))
    .sort();

describe.skipIf(!freshNetns()).each(['nft', 'legacy'] as const)('iptables (%s) in the kernel', (variant) => {
  const other = variant === 'nft' ? 'legacy' : 'nft';
  const machine = new Machine();
  afterAll(() => machine[Symbol.dispose]());
  const iptables = (...args: string[]): void => void run(`iptables-${variant}`, ...args);

  beforeEach(async () => {
    for (const each of ['nft', 'legacy'])
      for (const table of TABLES) {
        run(`iptables-${each}`, '-t', table, '-F');
        run(`iptables-${each}`, '-t', table, '-X');
      }
    // By it the kubelet tells which kind of tables a node uses.
    iptables('-t', 'mangle', '-N', 'KUBE-IPTABLES-HINT');
    using counters = PacketCounters.open(systemClock);
    await counters?.remove();
  });

  test('what others take away is told, and put right; what is our own and what harms nobody is not', async () => {
    using kit = await open();
    expect(kit.iptables).toBe(variant);
    using mode = kit.create(settings(4));
    let told = 0;
    using _ = await kit.watch(
      4,
      () => (told += 1),
      (error) => {
        throw error;
      },
    );
    const ports = new Ports(web);
    await mode.replace(ports);
    const before = rulesOf(variant);
    const { cluster } = chainsOf(web);
    for (const damage of [
      ['-F'],
      ['-t', 'nat', '-F'],
      ['-t', 'nat', '-F', cluster],
      ['-t', 'nat', '-R', cluster, '1', '-j', 'RETURN'],
      ['-t', 'nat', '-I', cluster, '-j', 'RETURN'],
      ['-t', 'nat', '-D', 'PREROUTING', '1'],
      ['-D', 'KUBE-FIREWALL', '1'],
      ['-t', 'mangle', '-X', 'KUBE-PROXY-CANARY'],
    ]) {
      // Our own, of the same size as well, is not told of.
      ports.set(port({ name: 'a/b', frontends: ['cluster-ip 10.96.0.1:80'], endpoints: ['10.244.1.2:80'] }));
      await mode.update(ports, new Set(['a/b']));
      ports.set(web);
      await mode.update(ports, new Set(['a/b']));
      expect(rulesOf(variant)).toEqual(before);
      const seen = told;
      // Somebody else's container with a host port.
      if (variant === 'nft') iptables('-t', 'nat', '-A', 'PREROUTING', '-p', 'udp', '-j', 'ACCEPT');
      await Bun.sleep(variant === 'nft' ? 20 : 100);
      expect(told).toBe(seen);
      iptables(...damage);
      await until(`${damage.join(' ')} is told of`, () => told > seen, 2000);
      expect((await mode.verify(ports)).repairs).toBeGreaterThan(0);
      const ours = rulesOf(variant).filter((line) => line !== '-A PREROUTING -p udp -j ACCEPT');
      expect(ours).toEqual(before);
      // The count of the rules in PREROUTING is that of the beginning.
      if (ours.length < rulesOf(variant).length)
        iptables('-t', 'nat', '-D', 'PREROUTING', '-p', 'udp', '-j', 'ACCEPT');
      await mode.verify(ports);
    }
  });

  test('it knows whether there is anything of it, and takes it away from both kinds of tables', async () => {
    using kit = await open();
    expect(kit.isEmpty(4)).toBe(true);
    using mode = kit.create(settings(4));
    await mode.replace(new Ports(web));
    expect(kit.isEmpty(4)).toBe(false);
    expect(kit.isEmpty(6)).toBe(true);
    // As it was before the machine's iptables became another one.
    const text = saved(variant).replaceAll(/^(?!\*|:KUBE-|COMMIT|-A).*$/gm, '');
    const restored = Bun.spawnSync([`iptables-${other}-restore`, '--noflush'], { stdin: Buffer.from(text) });
    expect(restored.stderr.toString()).toBe('');
    expect(saved(other)).toContain('--to-destination 10.244.1.1:80');
    await mode.cleanUp();
    for (const each of [variant, other])
      expect(saved(each).match(/KUBE-(?!FIREWALL|IPTABLES-HINT)\S+/g)).toBeNull();
    expect(kit.isEmpty(4)).toBe(true);
  });

  test('packets are counted where kube-proxy counts them, over a restart, and the counters go with the rules', async () => {
    run('ip', 'link', 'set', 'lo', 'up');
    {
      using kit = await open();
      if (!kit.packets) {
        process.stderr.write('skipped: the kernel has no nfnetlink_acct\n');
        return;
      }
      expect(kit.packets('loopback')).toBeUndefined();
      using mode = kit.create(settings(4));
      await mode.replace(new Ports(web));
      expect([kit.packets('loopback'), kit.packets('invalid')]).toEqual([0, 0]);
      const client = Bun.spawn(['bash', '-c', 'echo > /dev/tcp/127.0.0.1/30080'], { stderr: 'ignore' });
      // Its second try would come after a second.
      await until('the packet', () => kit.packets?.('loopback') === 1);
      client.kill('SIGKILL');
      await client.exited;
    }
    using kit = await open();
    using mode = kit.create(settings(4));
    expect((await mode.replace(new Ports(web))).changes).toBe(0);
    expect(kit.packets?.('loopback')).toBe(1);
    await mode.cleanUp();
    expect(kit.packets?.('loopback')).toBeUndefined();
  });

  test('a program without the match for it counts nothing, and programs all the same', async () => {
    const tables = await needTables(machine, variant, 4);
    using mode = new IptablesMode(settings(4), {
      dropInvalid: true,
      localhostNodePorts: true,
      routeLocalnet: () => {},
      // There is none of them: the rule is refused as one is whose match is missing.
      counters: { make: () => new Set(['invalid', 'loopback']), remove: async () => false },
      open: async () => tables,
      openOther: async () => undefined,
    });
    expect(await mode.replace(new Ports(web))).toMatchObject({ refused: [] });
    expect(saved(variant)).not.toMatch(/nfacct|TRIAL/);
    expect(saved(variant)).toContain('--to-destination 10.244.1.1:80');
  });

  test('a change waits while another mode is removed from the same tables, and for nothing else', async () => {
    using kit = await open();
    using mode = kit.create(settings(4));
    const ports = new Ports(web);
    await mode.replace(ports);
    const tables = await needTables(machine, variant, 4);
    const others = await needTables(machine, variant === 'nft' ? 'legacy' : 'nft', 4);
    const removal = Promise.withResolvers<void>();
    const elsewhere = Promise.withResolvers<void>();
    onTestFinished(() => elsewhere.resolve());
    const removed = tables.alone(() => removal.promise);
    void others.alone(() => elsewhere.promise);
    let isDone = false;
    ports.set(port({ name: 'a/b', frontends: ['cluster-ip 10.96.0.1:80'], endpoints: ['10.244.1.2:80'] }));
    const change = mode.update(ports, new Set(['a/b'])).then(() => (isDone = true));
    await Bun.sleep(50);
    expect(isDone).toBe(false);
    expect(saved(variant)).not.toContain('10.244.1.2:80');
    removal.reject(new Error('the lock is held'));
    await expect(removed).rejects.toThrow('the lock');
    await change;
    expect(saved(variant)).toContain('--to-destination 10.244.1.2:80');
  });

  test('node ports on 127.0.0.1 only where they are wanted', async () => {
    const key = 'net/ipv4/conf/all/route_localnet';
    writeSysctl(key, '0');
    for (const [wanted, addresses, has, last] of [
      [false, 'all', '0', '! -d 127.0.0.0/8'],
      [false, ['127.0.0.0/8'], '0', '-d 127.0.0.0/8 -m comment --comment "no kubernetes'],
      [true, ['192.0.2.0/24'], '0', '-d 192.0.2.0/24'],
      [true, ['127.0.0.0/8'], '1', '-d 127.0.0.0/8 -m comment --comment "kubernetes'],
      [true, 'all', '1', '-m comment --comment "kubernetes'],
    ] as const) {
      using kit = await open(wanted);
      const nodePortAddresses = addresses === 'all' ? addresses : addresses.map(cidr);
      using mode = kit.create({ ...settings(4), nodePortAddresses });
      await mode.replace(new Ports(web));
      expect(readSysctl(key)).toBe(has);
      const ends = saved(variant)
        .split('\n')
        .filter((line) => /nodeports/.test(line));
      expect(ends[0]).toContain(`-A KUBE-SERVICES ${last}`);
      expect(rulesOf(variant).some((line) => /block incoming localnet/.test(line))).toBe(has === '1');
    }
  });
});
