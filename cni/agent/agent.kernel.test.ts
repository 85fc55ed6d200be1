import { existsSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freshNetns } from '../../conformance/testing/netns.ts';
import type { RepairKind } from './loop/repairs.ts';
import { KernelNode, makeUnderlay, PROMISE, picture, sh, until } from './testing/kernel-node.ts';

const available = freshNetns();

describe.skipIf(!available)('the agent in a namespace of its own', () => {
  const node = new KernelNode();
  const { directory, lags, lines } = node;
  /** The last lines of the log, for a wait that failed. */
  const because = (what: string) => (): string => `${what}\n${lines.slice(-5).join('')}`;

  beforeAll(async () => {
    makeUnderlay();
    sh('iptables-nft -P FORWARD DROP; iptables-legacy -P FORWARD DROP');
    await node.join(1);
    await node.start();
  });

  afterAll(() => node[Symbol.asyncDispose]());

  test('a peer that joins and one that leaves are in the kernel at once', async () => {
    lags.length = 0;
    await node.join(2);
    await until(
      because('routes of both'),
      () => sh('ip route show proto 93; ip -6 route show proto 93').trim().split('\n').length === 4,
    );
    await node.registry.release('peer-2');
    await until(
      because('routes of one'),
      () => sh('ip route show proto 93; ip -6 route show proto 93').trim().split('\n').length === 2,
    );
    expect(lags.length).toBeGreaterThan(0);
    expect(Math.max(...lags)).toBeLessThan(PROMISE);
  });

  test.each<[RepairKind, string]>([
    ['device', 'ip link del flannel.1'],
    ['device', 'ip link del flannel-v6.1'],
    ['device', 'ip link set flannel.1 down'],
    ['device', 'ip link set flannel-v6.1 down'],
    ['device', 'ip link set flannel.1 mtu 1400'],
    // As systemd-udevd does where it does not know the address for a given one.
    ['device', 'ip link set flannel.1 address 0a:00:00:00:00:77'],
    ['device', 'ip link set flannel.1 type vxlan id 1 local 192.0.2.9'],
    ['device', 'ip link set flannel.1 type vxlan id 1 learning'],
    ['device', 'ip link set flannel.1 down; ip link set flannel.1 name other; ip link set other up'],
    ['device', 'ip link add br0 type bridge; ip link set br0 up; ip link set flannel.1 master br0'],
    ['address', 'ip addr flush dev flannel.1'],
    ['address', 'ip addr add 10.9.9.9/24 dev flannel.1'],
    ['address', 'ip -6 addr flush dev flannel-v6.1 scope global'],
    ['route', 'ip route flush proto 93'],
    ['route', 'ip -6 route flush proto 93'],
    ['route', 'ip route replace $(ip route show proto 93 | cut -d" " -f1) via 192.0.2.9 dev eth0'],
    ['route', 'ip route replace blackhole $(ip route show proto 93 | cut -d" " -f1)'],
    ['route', 'ip route add 10.244.200.0/24 via 10.244.200.0 dev flannel.1 onlink'],
    ['neighbour', 'ip neigh flush dev flannel.1 nud permanent'],
    ['neighbour', 'ip neigh replace 10.244.200.0 lladdr 0a:00:00:00:00:77 nud permanent dev flannel.1'],
    ['fdb', 'bridge fdb del 0a:00:00:00:04:01 dev flannel.1'],
    ['fdb', 'bridge fdb replace 0a:00:00:00:06:01 dev flannel-v6.1 dst 2001:db8::9'],
    ['fdb', 'bridge fdb add 0a:00:00:00:00:77 dev flannel.1 dst 192.0.2.9'],
    ['nftables', 'nft delete table inet underpod-agent'],
    ['nftables', 'nft flush chain inet underpod-agent postrouting'],
    ['nftables', 'nft insert rule inet underpod-agent forward drop'],
    ['nftables', 'nft "add table inet underpod-agent { flags dormant; }"'],
    ['forward-accept', 'iptables-nft -F FORWARD'],
    ['forward-accept', 'iptables-nft -F UNDERPOD-FORWARD'],
    [
      'forward-accept',
      'iptables-nft -I FORWARD -j DROP; iptables-nft -D FORWARD -j DROP; iptables-nft -D FORWARD 1',
    ],
    ['forward-accept', 'iptables-legacy -F FORWARD'],
    ['sysctl', 'echo 0 > /proc/sys/net/ipv4/ip_forward'],
    ['sysctl', 'echo 0 > /proc/sys/net/ipv6/conf/all/forwarding'],
    ['sysctl', 'echo 0 > /proc/sys/net/ipv4/conf/flannel.1/forwarding'],
    ['sysctl', 'echo 0 > /proc/sys/net/ipv6/conf/flannel-v6.1/forwarding'],
    ['sysctl', 'echo 0 > /proc/sys/net/ipv4/conf/eth0/forwarding'],
    ['sysctl', 'echo 0 > /proc/sys/net/ipv6/conf/eth0/forwarding'],
    [
      'device',
      'cd /proc/sys/net; echo 0 > ipv4/conf/default/forwarding; echo 0 > ipv6/conf/default/forwarding; ip link del flannel.1; ip link del flannel-v6.1',
    ],
    ['address', 'echo 1 > /proc/sys/net/ipv6/conf/flannel-v6.1/disable_ipv6'],
  ])('repaired and counted as %s: `%s`', async (kind, damage) => {
    expect(await node.mended(damage, picture)).toContain(kind);
    expect(Math.max(...lags)).toBeLessThan(PROMISE);
  });

  test('a strict source check on the tunnel is made loose at once', async () => {
    const key = '/proc/sys/net/ipv4/conf/flannel.1/rp_filter';
    sh(`echo 1 > ${key}`);
    await until(because('rp_filter'), () => sh(`cat ${key}`).trim() === '2');
  });

  test('subnet.env comes back, its directory too', async () => {
    const path = directory.join('flannel/subnet.env');
    rmSync(path);
    await until(because('the file'), () => existsSync(path));
    rmSync(directory.join('flannel'), { recursive: true });
    await until(because('the directory'), () => existsSync(path));
    rmSync(path);
    await until(because('the file in the new directory'), () => existsSync(path));
    const text = sh(`cat ${path}`);
    sh(`echo FLANNEL_MTU=1 > ${path}`);
    await until(because('its content'), () => existsSync(path) && sh(`cat ${path}`) === text);
    expect(node.agent.status().repairs['subnet-file']).toBe(4);
  });

  test('a repaired node is at rest: its own repairs wake it no more', async () => {
    await node.agent.idle();
    const syncs = (): string | undefined => node.agent.status().lastSync?.at;
    await until(because('a quiet moment'), () => {
      const before = syncs();
      Bun.sleepSync(150);
      return before === syncs();
    });
  });

  test('the restart of an agent touches nothing', async () => {
    // A monitor of ip shows every change; the new agent's start must leave it empty.
    await node.stop();
    const monitor = Bun.spawn(['ip', '-o', 'monitor', 'link', 'address', 'route', 'neigh'], {
      stdout: 'pipe',
    });
    const before = await picture();
    await node.start();
    expect(await picture()).toBe(before);
    monitor.kill();
    // The kernel gives a new device its link-local address late.
    const shown = (await monitor.stdout.text()).split('\n').filter((line) => !line.includes('fe80:'));
    const seen = shown.filter((line) => /flannel|proto 93/.test(line));
    expect(seen).toEqual([]);
    expect(node.agent.status().repairs).toEqual({});
  });

  test('an underlay with another address and MTU is followed', async () => {
    sh(
      'ip addr flush dev eth0; ip addr add 192.0.2.50/24 dev eth0; ip -6 addr add 2001:db8::1/64 dev eth0 nodad; ip link set eth0 mtu 1400; ip route replace default via 192.0.2.254',
    );
    await until(because('device'), () => {
      const device = sh('ip -d link show flannel.1 2>&1 || true');
      return device.includes('local 192.0.2.50') && device.includes('mtu 1350');
    });
    await until(because('the registry'), () => node.agent.status().underlays[0]?.publicIp === '192.0.2.50');
    await until(because('subnet.env'), () =>
      sh(`cat ${directory.join('flannel/subnet.env')}`).includes('FLANNEL_MTU=1330'),
    );
  });

  test('lost events make it look at everything', async () => {
    const before = await picture();
    // More events than any buffer takes, while the agent's thread is busy with this very command.
    sh(`ip route del $(ip route show proto 93 | cut -d' ' -f1)
      for i in $(seq 1 60); do for j in $(seq 1 250); do echo "neigh add 198.18.$i.$j lladdr 02:00:00:00:00:01 dev far nud permanent"; done; done > ${directory.join('batch')}
      ip -batch ${directory.join('batch')}; ip neigh flush dev far nud permanent`);
    await until(because('repaired'), async () => (await picture()) === before);
  });
});
