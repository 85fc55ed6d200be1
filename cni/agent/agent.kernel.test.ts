import { existsSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freshNetns, run, TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { slowness } from '../../conformance/testing/slowness.ts';
import { parseArguments } from '../../shared/config/flags.ts';
import { parseNetConf } from '../../shared/config/net-conf.ts';
import { Settings } from '../../shared/config/settings.ts';
import { parseIp } from '../../shared/ip/ip.ts';
import { createLogger } from '../../shared/log/logger.ts';
import { systemClock as storeClock } from '../../shared/store/clock.ts';
import { FakeNodeRegistry } from '../../shared/store/registry.fake.ts';
import { Agent } from './agent.ts';
import { systemClock } from './clock.ts';
import { AGENT_FLAGS } from './flags.ts';
import { LinuxKernel } from './kernel/linux-kernel.ts';
import { agentOptions } from './options.ts';

const available = freshNetns();
const sh = (script: string): string => run('sh', '-ec', script);

/** What is promised: from what happens to its repair, in milliseconds, by the agent's own measure. */
const PROMISE = 1000 * slowness;
/** Looking takes its time, and other tests run beside this one: this only says that something hangs. */
const LIMIT = 10_000 * slowness;

/** Waits for a condition. @throws Error when it does not come true in time */
async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const start = performance.now();
  while (!(await condition())) {
    if (performance.now() - start > LIMIT) throw new Error(`${what}: not within ${LIMIT} ms`);
    await Bun.sleep(5);
  }
}

/** As `sh`, but the agent, which is in this process, goes on meanwhile. */
async function show(script: string): Promise<string> {
  const shell = Bun.spawn(['sh', '-c', script], { stdout: 'pipe' });
  return shell.stdout.text();
}

/** A text that shows everything the agent has in the kernel. */
async function picture(): Promise<string> {
  const shown =
    await show(`set +e; exec 2>&1; ip -br link show type vxlan | sed 's/@.*//;s/UNKNOWN//'; for d in flannel.1 flannel-v6.1; do
      ip -d link show $d | grep -o 'mtu [0-9]*\\|link/ether [0-9a-f:]*\\|,UP\\|local [^ ]* dev eth0'; ip -br addr show $d | sed 's/fe80[^ ]*//'
      ip neigh show dev $d nud permanent; ip -6 neigh show dev $d nud permanent; bridge fdb show dev $d
    done; ip route show proto 93; ip -6 route show proto 93
    nft list table inet underpod-agent; iptables-nft -S; iptables-legacy -S
    cd /proc/sys/net; cat ipv4/ip_forward ipv6/conf/all/forwarding
    grep -H . ipv[46]/conf/eth0/forwarding ipv[46]/conf/flannel*/forwarding; true`);
  // A device that was made anew is listed last.
  return shown
    .split('\n')
    .map((line) => line.trim())
    .sort()
    .join('\n');
}

describe.skipIf(!available)('the agent in a namespace of its own', () => {
  const directory = new TemporaryDirectory();
  const netConf = parseNetConf('{"Network":"10.244.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:244::/48"}');
  const registry = new FakeNodeRegistry({ networks: netConf, clock: storeClock() });
  const lines: string[] = [];
  /** What the agent measured. */
  const lags: number[] = [];
  let agent: Agent;
  let stop: AbortController;
  let end: Promise<void>;

  async function start(): Promise<void> {
    const args = [`--state-dir=${directory.path}`, `--subnet-file=${directory.join('flannel/subnet.env')}`];
    const settings = new Settings(AGENT_FLAGS, {
      flags: parseArguments(args, AGENT_FLAGS).values,
      environment: {},
      environmentPrefix: 'FLANNELD_',
      file: {},
      fileName: 'none',
    });
    agent = new Agent({
      kernel: LinuxKernel.open(),
      clock: systemClock,
      registry,
      log: createLogger('agent', { level: 'debug', sink: (line) => lines.push(line) }),
      options: agentOptions(settings, 'n1'),
      netConf,
      instance: 'n1',
      version: '0',
    });
    const { lag } = agent.metrics;
    agent.metrics.lag = (ms) => {
      lags.push(ms);
      lag(ms);
    };
    stop = new AbortController();
    end = agent.run(stop.signal);
    await until(`ready; ${lines.join('')}`, () => agent.ready);
  }

  async function join(n: number): Promise<void> {
    await registry.acquire({
      name: `peer-${n}`,
      publicIp: parseIp(`192.0.2.${100 + n}`)!,
      publicIpV6: parseIp(`2001:db8::${100 + n}`)!,
      backend: {
        type: 'vxlan',
        data: { VNI: 1, VtepMAC: `0a:00:00:00:04:0${n}` },
        v6Data: { VNI: 1, VtepMAC: `0a:00:00:00:06:0${n}` },
      },
    });
  }

  beforeAll(async () => {
    sh(`ip link add eth0 type veth peer name far
      ip link set far up; ip link set eth0 up; echo 0 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv6/conf/all/forwarding
      ip addr add 192.0.2.1/24 dev eth0; ip -6 addr add 2001:db8::1/64 dev eth0 nodad
      ip route add default via 192.0.2.254; ip -6 route add default via 2001:db8::fe
      iptables-nft -P FORWARD DROP; iptables-legacy -P FORWARD DROP`);
    await join(1);
    await start();
  });

  afterAll(async () => {
    stop.abort();
    await end;
    directory[Symbol.dispose]();
  });

  test('a peer that joins and one that leaves are in the kernel at once', async () => {
    lags.length = 0;
    await join(2);
    await until(
      'routes of both',
      () => sh('ip route show proto 93; ip -6 route show proto 93').trim().split('\n').length === 4,
    );
    await registry.release('peer-2');
    await until(
      'routes of one',
      () => sh('ip route show proto 93; ip -6 route show proto 93').trim().split('\n').length === 2,
    );
    expect(lags.length).toBeGreaterThan(0);
    expect(Math.max(...lags)).toBeLessThan(PROMISE);
  });

  test.each([
    'ip link del flannel.1',
    'ip link del flannel-v6.1',
    'ip link set flannel.1 down',
    'ip link set flannel-v6.1 down',
    'ip link set flannel.1 mtu 1400',
    'ip link set flannel.1 address 0a:00:00:00:00:77',
    'ip link set flannel.1 type vxlan id 1 local 192.0.2.9',
    'ip addr flush dev flannel.1',
    'ip addr add 10.9.9.9/24 dev flannel.1',
    'ip route flush proto 93',
    'ip -6 route flush proto 93',
    'ip route replace $(ip route show proto 93 | cut -d" " -f1) via 192.0.2.9 dev eth0',
    'ip route add 10.244.200.0/24 via 10.244.200.0 dev flannel.1 onlink',
    'ip neigh flush dev flannel.1 nud permanent',
    'ip neigh replace 10.244.200.0 lladdr 0a:00:00:00:00:77 nud permanent dev flannel.1',
    'bridge fdb del 0a:00:00:00:04:01 dev flannel.1',
    'bridge fdb replace 0a:00:00:00:06:01 dev flannel-v6.1 dst 2001:db8::9',
    'bridge fdb add 0a:00:00:00:00:77 dev flannel.1 dst 192.0.2.9',
    'nft delete table inet underpod-agent',
    'nft flush chain inet underpod-agent postrouting',
    'nft insert rule inet underpod-agent forward drop',
    'iptables-nft -F FORWARD',
    'iptables-nft -F UNDERPOD-FORWARD',
    'iptables-nft -I FORWARD -j DROP; iptables-nft -D FORWARD -j DROP; iptables-nft -D FORWARD 1',
    'iptables-legacy -F FORWARD',
    'echo 0 > /proc/sys/net/ipv4/ip_forward',
    'echo 0 > /proc/sys/net/ipv6/conf/all/forwarding',
    'echo 0 > /proc/sys/net/ipv4/conf/flannel.1/forwarding',
    'echo 0 > /proc/sys/net/ipv6/conf/flannel-v6.1/forwarding',
    'echo 0 > /proc/sys/net/ipv4/conf/eth0/forwarding',
    'echo 0 > /proc/sys/net/ipv6/conf/eth0/forwarding',
    'cd /proc/sys/net; echo 0 > ipv4/conf/default/forwarding; echo 0 > ipv6/conf/default/forwarding; ip link del flannel.1; ip link del flannel-v6.1',
  ])('`%s` is put right at once', async (command) => {
    const before = await picture();
    lags.length = 0;
    sh(command);
    // The agent tells of a repair a moment after it has made it.
    const isRepaired = async (): Promise<boolean> => lags.length > 0 && (await picture()) === before;
    await until(`${command}\n${lines.slice(-5).join('')}`, isRepaired);
    expect(Math.max(...lags)).toBeLessThan(PROMISE);
  });

  test('a strict source check on the tunnel is made loose at once', async () => {
    const key = '/proc/sys/net/ipv4/conf/flannel.1/rp_filter';
    sh(`echo 1 > ${key}`);
    await until('rp_filter', () => sh(`cat ${key}`).trim() === '2');
  });

  test('subnet.env comes back, its directory too', async () => {
    const path = directory.join('flannel/subnet.env');
    rmSync(path);
    await until('the file', () => existsSync(path));
    rmSync(directory.join('flannel'), { recursive: true });
    await until('the directory', () => existsSync(path));
    rmSync(path);
    await until('the file in the new directory', () => existsSync(path));
  });

  test('a repaired node is at rest: its own repairs wake it no more', async () => {
    await agent.idle();
    const syncs = (): string | undefined => agent.status().lastSync?.at;
    await until('a quiet moment', () => {
      const before = syncs();
      Bun.sleepSync(150);
      return before === syncs();
    });
  });

  test('the restart of an agent touches nothing', async () => {
    // A monitor of ip shows every change; the new agent's start must leave it empty.
    stop.abort();
    await end;
    const monitor = Bun.spawn(['ip', '-o', 'monitor', 'link', 'address', 'route', 'neigh'], {
      stdout: 'pipe',
    });
    const before = await picture();
    await start();
    expect(await picture()).toBe(before);
    monitor.kill();
    // The kernel gives a new device its link-local address late.
    const shown = (await monitor.stdout.text()).split('\n').filter((line) => !line.includes('fe80:'));
    const seen = shown.filter((line) => /flannel|proto 93/.test(line));
    expect(seen).toEqual([]);
    expect(agent.status().repairs).toEqual({});
  });

  test('an underlay with another address and MTU is followed', async () => {
    sh(
      'ip addr flush dev eth0; ip addr add 192.0.2.50/24 dev eth0; ip -6 addr add 2001:db8::1/64 dev eth0 nodad; ip link set eth0 mtu 1400; ip route replace default via 192.0.2.254',
    );
    await until(`device\n${lines.slice(-5).join('')}`, () => {
      const device = sh('ip -d link show flannel.1 2>&1 || true');
      return device.includes('local 192.0.2.50') && device.includes('mtu 1350');
    });
    await until('the registry', () => agent.status().underlays[0]?.publicIp === '192.0.2.50');
    await until('subnet.env', () =>
      sh(`cat ${directory.join('flannel/subnet.env')}`).includes('FLANNEL_MTU=1330'),
    );
  });

  test('lost events make it look at everything', async () => {
    const before = await picture();
    // More events than any buffer takes, while the agent's thread is busy with this very command.
    sh(`ip route del $(ip route show proto 93 | cut -d' ' -f1)
      for i in $(seq 1 60); do for j in $(seq 1 250); do echo "neigh add 198.18.$i.$j lladdr 02:00:00:00:00:01 dev far nud permanent"; done; done > ${directory.join('batch')}
      ip -batch ${directory.join('batch')}; ip neigh flush dev far nud permanent`);
    await until('repaired', async () => (await picture()) === before);
  });
});
