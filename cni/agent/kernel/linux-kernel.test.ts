import { beforeEach, describe, expect, test } from 'vitest';
import { freshNetns, ipJson, run } from '../../../conformance/testing/netns.ts';
import { slowness } from '../../../conformance/testing/slowness.ts';
import { type Cidr, parseCidr } from '../../../shared/ip/cidr.ts';
import { type Ip, parseIp } from '../../../shared/ip/ip.ts';
import type { DesiredDevice, DesiredNetwork, VxlanDevice } from '../network/desired.ts';
import { planNetwork } from '../network/plan.ts';
import { LinuxKernel } from './linux-kernel.ts';

const available = freshNetns();

const ip = (text: string): Ip => parseIp(text) as Ip;
const cidr = (text: string): Cidr => parseCidr(text) as Cidr;
const mac = (last: number): Uint8Array => new Uint8Array([0x0a, 0, 0, 0, 0, last]);
const cut = (command: string): string => run('sh', '-ec', command);

/** Brings the kernel to the desired state and returns the kinds of the changes that it took. */
function converge(kernel: LinuxKernel, desired: DesiredNetwork): string[] {
  const changes = planNetwork(desired, kernel.readNetwork(desired.devices.map((device) => device.name)));
  expect(kernel.apply(changes)).toEqual([]);
  return changes.map((change) => change.kind);
}

function networkOn(underlay: number, part: Partial<VxlanDevice['vxlan']> = {}): DesiredNetwork {
  const vxlan = { vni: 1, port: 8472, underlay, learning: false, gbp: false };
  return {
    devices: [
      {
        kind: 'vxlan',
        name: 'flannel.1',
        mac: mac(1),
        mtu: 1450,
        addresses: [cidr('10.244.0.0/32')],
        vxlan: { ...vxlan, local: ip('192.0.2.1'), ...part },
      },
      {
        kind: 'vxlan',
        name: 'flannel-v6.1',
        mac: mac(2),
        mtu: 1430,
        addresses: [cidr('fd00:244::/128')],
        vxlan: { ...vxlan, local: ip('2001:db8::1') },
      },
    ],
    neighbours: [
      { device: 'flannel.1', ip: ip('10.244.1.0'), mac: mac(11) },
      { device: 'flannel-v6.1', ip: ip('fd00:244:0:1::'), mac: mac(12) },
    ],
    fdb: [
      { device: 'flannel.1', mac: mac(11), destination: ip('192.0.2.2') },
      { device: 'flannel-v6.1', mac: mac(12), destination: ip('2001:db8::2') },
    ],
    wireguardPeers: [],
    routes: [
      { destination: cidr('10.244.1.0/24'), gateway: ip('10.244.1.0'), device: 'flannel.1', onlink: true },
      {
        destination: cidr('fd00:244:0:1::/64'),
        gateway: ip('fd00:244:0:1::'),
        device: 'flannel-v6.1',
        onlink: true,
      },
      { destination: cidr('10.244.2.0/24'), gateway: ip('192.0.2.3'), device: 'eth0', onlink: false },
      { destination: cidr('10.244.0.0/24'), onlink: false, metric: 4096 },
      { destination: cidr('fd00:244::/64'), onlink: false, metric: 4096 },
    ],
  };
}

describe.skipIf(!available)('the kernel', () => {
  let underlay = 0;

  beforeEach(() => {
    cut(`for link in eth0 flannel.1 flannel-v6.1; do ip link del $link 2>/dev/null || true; done
      ip route flush proto 93; ip -6 route flush proto 93
      ip link add eth0 type veth peer name far
      ip link set far up; ip link set eth0 up
      ip addr add 192.0.2.1/24 dev eth0; ip -6 addr add 2001:db8::1/64 dev eth0 nodad`);
    underlay = (ipJson('link', 'show', 'eth0')[0] as { ifindex: number }).ifindex;
  });

  test('is brought from nothing to the desired state, and needs nothing after it', () => {
    using kernel = LinuxKernel.open();
    const desired = networkOn(underlay);
    expect(converge(kernel, desired)).toHaveLength(2 + 2 + 2 + 2 + 5);
    expect(converge(kernel, desired)).toEqual([]);

    const [link] = ipJson('link', 'show', 'flannel.1') as {
      linkinfo: { info_data: Record<string, unknown> };
    }[];
    expect(link).toMatchObject({ address: '0a:00:00:00:00:01', mtu: 1450, operstate: 'UNKNOWN' });
    expect(link?.linkinfo.info_data).toMatchObject({ id: 1, local: '192.0.2.1', link: 'eth0', port: 8472 });
    expect(link?.linkinfo.info_data['learning']).toBe(false);
    expect(ipJson('route', 'show', '10.244.1.0/24')).toMatchObject([
      { gateway: '10.244.1.0', dev: 'flannel.1', protocol: '93', flags: ['onlink'] },
    ]);
    expect(ipJson('-6', 'route', 'show', 'fd00:244:0:1::/64')).toMatchObject([
      { gateway: 'fd00:244:0:1::', dev: 'flannel-v6.1', protocol: '93', flags: ['onlink'] },
    ]);
    expect(ipJson('route', 'show', 'type', 'blackhole')).toMatchObject([
      { dst: '10.244.0.0/24', metric: 4096 },
    ]);
    expect(ipJson('neigh', 'show', 'dev', 'flannel.1')).toMatchObject([
      { dst: '10.244.1.0', lladdr: '0a:00:00:00:00:0b', state: ['PERMANENT'] },
    ]);
    expect(JSON.parse(run('bridge', '-j', 'fdb', 'show', 'dev', 'flannel-v6.1'))).toMatchObject([
      { mac: '0a:00:00:00:00:0c', dst: '2001:db8::2', state: 'permanent' },
    ]);
  });

  // What each command breaks, and the changes that mend it.
  test.each([
    ['ip link del flannel.1', ['create-device', 'add-address', 'set-neighbour', 'set-fdb', 'set-route']],
    ['ip link set flannel.1 mtu 1400', ['change-device']],
    ['ip link set flannel.1 address 0a:00:00:00:00:77', ['change-device', 'set-neighbour']],
    ['ip link set flannel.1 type vxlan id 1 local 192.0.2.9', ['change-device']],
    ['ip addr flush dev flannel.1', ['add-address', 'set-neighbour', 'set-route']],
    ['ip addr add 10.9.9.9/24 dev flannel.1', ['delete-address']],
    ['ip route del 10.244.1.0/24', ['set-route']],
    ['ip route replace 10.244.1.0/24 via 192.0.2.9 dev eth0', ['set-route']],
    ['ip route append 10.244.1.0/24 via 192.0.2.9 dev eth0', ['delete-route']],
    ['ip route prepend 10.244.1.0/24 via 192.0.2.9 dev eth0', ['delete-route']],
    [
      'ip route replace 10.244.1.0/24 via 192.0.2.9 dev eth0; ip route append 10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink proto 93 src 192.0.2.1',
      ['delete-route', 'set-route'],
    ],
    [
      'ip route replace 10.244.1.0/24 via 192.0.2.9 dev eth0; ip route append 10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink proto 93; ip route append 10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink proto 93 src 192.0.2.1',
      ['delete-route', 'delete-route', 'set-route'],
    ],
    [
      'ip route prepend 10.244.1.0/24 proto 93 nexthop via 192.0.2.8 dev eth0 nexthop via 192.0.2.9 dev eth0',
      ['delete-route', 'delete-route', 'set-route'],
    ],
    ['ip route add 10.244.9.0/24 via 10.244.9.0 dev flannel.1 onlink', ['delete-route']],
    ['ip route add 10.244.9.0/24 via 192.0.2.9 dev eth0 proto 93 metric 7', ['delete-route']],
    ['ip route del blackhole 10.244.0.0/24', ['set-route']],
    ['ip -6 route del fd00:244:0:1::/64', ['set-route']],
    ['ip -6 route replace fd00:244:0:1::/64 via 2001:db8::9 dev eth0', ['delete-route', 'set-route']],
    ['ip -6 route add fd00:244:0:9::/64 dev flannel-v6.1', ['delete-route']],
    ['ip neigh del 10.244.1.0 dev flannel.1', ['set-neighbour']],
    ['ip neigh replace 10.244.1.0 lladdr 0a:00:00:00:00:77 nud reachable dev flannel.1', ['set-neighbour']],
    ['ip neigh add 10.244.9.0 lladdr 0a:00:00:00:00:77 nud permanent dev flannel.1', ['delete-neighbour']],
    ['ip -6 neigh add fd00::9 lladdr 0a:00:00:00:00:77 nud permanent dev flannel-v6.1', ['delete-neighbour']],
    ['bridge fdb del 0a:00:00:00:00:0b dev flannel.1', ['set-fdb']],
    ['bridge fdb replace 0a:00:00:00:00:0b dev flannel.1 dst 192.0.2.9', ['set-fdb']],
    ['bridge fdb add 0a:00:00:00:00:77 dev flannel.1 dst 192.0.2.9', ['delete-fdb']],
    ['bridge fdb append 00:00:00:00:00:00 dev flannel.1 dst 192.0.2.9', ['delete-fdb']],
  ])('after `%s` is mended by %j', (command, expected) => {
    using kernel = LinuxKernel.open();
    const desired = networkOn(underlay);
    converge(kernel, desired);
    cut(command);
    expect(converge(kernel, desired)).toEqual(expected);
    expect(converge(kernel, desired)).toEqual([]);
  });

  test('whatever is right stays: link down loses only what the kernel drops with it', () => {
    using kernel = LinuxKernel.open();
    const desired = networkOn(underlay);
    converge(kernel, desired);
    cut('ip link set flannel.1 down; ip link set flannel-v6.1 down');
    const kinds = converge(kernel, desired);
    expect(kinds.filter((kind) => kind === 'change-device')).toHaveLength(2);
    expect(kinds).not.toContain('create-device');
    expect(kinds.filter((kind) => kind === 'set-route')).toHaveLength(2);
    expect(converge(kernel, desired)).toEqual([]);
  });

  test('a device of another VNI or kind is replaced, one with another source address is changed', () => {
    using kernel = LinuxKernel.open();
    const desired = networkOn(underlay);
    cut('ip link add flannel.1 type vxlan id 7 dstport 8472; ip link add flannel-v6.1 type bridge');
    expect(converge(kernel, desired).slice(0, 4)).toEqual([
      'delete-device',
      'create-device',
      'delete-device',
      'create-device',
    ]);
    const before = ipJson('link', 'show', 'flannel.1')[0]?.['ifindex'];
    cut('ip addr add 192.0.2.7/24 dev eth0');
    expect(converge(kernel, networkOn(underlay, { local: ip('192.0.2.7') }))).toEqual(['change-device']);
    expect(ipJson('link', 'show', 'flannel.1')[0]?.['ifindex']).toBe(before);
    const [v4, v6] = desired.devices;
    const smaller = {
      ...v4,
      mtu: 1350,
      mac: mac(55),
      vxlan: { ...(v4 as VxlanDevice).vxlan, learning: true },
    } as DesiredDevice;
    cut('ip link set eth0 mtu 1400');
    expect(converge(kernel, { ...desired, devices: [smaller, v6 as DesiredDevice] })[0]).toBe(
      'change-device',
    );
    expect(ipJson('link', 'show', 'flannel.1')[0]).toMatchObject({
      ifindex: before,
      mtu: 1350,
      address: '0a:00:00:00:00:37',
    });
  });

  test('a device found with another MAC is taken over, and its neighbours survive the change', () => {
    using kernel = LinuxKernel.open();
    const desired = networkOn(underlay);
    const [v4, v6] = desired.devices;
    converge(kernel, { ...desired, devices: [{ ...v4, mac: mac(99) }, v6] as DesiredDevice[] });
    expect(converge(kernel, desired)).toEqual(['change-device', 'set-neighbour']);
    expect(converge(kernel, desired)).toEqual([]);
  });

  test('refusals are told one by one and do not stop the others', () => {
    using kernel = LinuxKernel.open();
    const desired = networkOn(underlay);
    const nowhere = {
      destination: cidr('10.244.7.0/24'),
      gateway: ip('198.51.100.1'),
      device: 'eth0',
      onlink: false,
    };
    const changes = planNetwork({ ...desired, routes: [nowhere, ...desired.routes] }, kernel.readNetwork([]));
    const failures = kernel.apply(changes);
    expect(failures).toHaveLength(1);
    expect(failures[0]?.change).toEqual({ kind: 'set-route', route: nowhere });
    expect(failures[0]?.error.message).toContain('10.244.7.0/24');
    expect(converge(kernel, desired)).toEqual([]);
  });

  test('route look-ups keep their order and say which have none', () => {
    using kernel = LinuxKernel.open();
    const routes = kernel.routesTo([ip('192.0.2.9'), ip('198.51.100.1'), ip('2001:db8::9')]);
    expect(routes.map((route) => route?.oif)).toEqual([underlay, undefined, underlay]);
    expect(routes.map((route) => route?.gateway)).toEqual([undefined, undefined, undefined]);
  });

  test('legacy iptables: no table, then a fingerprint that follows rules and policy, not counters', () => {
    using kernel = LinuxKernel.open();
    for (const [family, program] of [
      [4, 'iptables-legacy'],
      [6, 'ip6tables-legacy'],
    ] as const) {
      expect(kernel.legacyFingerprint(family, 'filter')).toBeUndefined();
      cut(`${program} -A FORWARD -s ${family === 4 ? '10.0.0.0/8' : 'fd00::/8'} -j ACCEPT`);
      const first = kernel.legacyFingerprint(family, 'filter');
      expect(first).toBeDefined();
      expect(kernel.legacyFingerprint(family, 'filter')).toBe(first);
      cut(`${program} -A INPUT -j ACCEPT`);
      const counting = kernel.legacyFingerprint(family, 'filter');
      cut(
        `ping -c 1 ${family === 4 ? '127.0.0.1' : '::1'} >/dev/null; ${program} -nvL INPUT | grep -q '[1-9]'`,
      );
      expect(kernel.legacyFingerprint(family, 'filter')).toBe(counting);
      expect(counting).not.toBe(first);
      cut(`${program} -P FORWARD DROP`);
      expect(kernel.legacyFingerprint(family, 'filter')).not.toBe(counting);
    }
  });

  test('legacy iptables at a glance: a rule among thousands that is replaced by one of equal size shows within a second', async () => {
    using kernel = LinuxKernel.open();
    expect(kernel.legacyGlance(4, 'nat')).toBeUndefined();
    cut('iptables-legacy -t nat -A POSTROUTING -s 10.9.0.0/16 -j RETURN');
    expect(kernel.legacyGlance(4, 'nat')).toBe(kernel.legacyFingerprint(4, 'nat'));
    cut(`(echo '*nat'; for i in $(seq 1 2000); do echo "-A POSTROUTING -s 10.8.0.0/16 -j RETURN"; done; echo COMMIT) |
      iptables-legacy-restore --noflush`);
    const large = kernel.legacyGlance(4, 'nat');
    expect(large).toBe(kernel.legacyFingerprint(4, 'nat'));
    expect(kernel.legacyGlance(4, 'nat')).toBe(large);
    cut('iptables-legacy -t nat -R POSTROUTING 1000 -s 10.7.0.0/16 -j RETURN');
    const before = performance.now();
    while (kernel.legacyGlance(4, 'nat') === large) {
      if (performance.now() - before > 1000 * slowness) throw new Error('nobody saw it');
      await Bun.sleep(20);
    }
    const replaced = kernel.legacyGlance(4, 'nat');
    cut('iptables-legacy -t nat -D POSTROUTING 1');
    expect(kernel.legacyGlance(4, 'nat')).not.toBe(replaced);
  });

  test('programs are run with their input and their failure is told', async () => {
    using kernel = LinuxKernel.open();
    expect(await kernel.run(['cat'], 'hello')).toMatchObject({ code: 0, stdout: 'hello' });
    expect(await kernel.run(['sh', '-c', 'echo no >&2; exit 3'])).toMatchObject({ code: 3, stderr: 'no\n' });
    expect((await kernel.run(['no-such-program'])).code).toBe(127);
  });
});
