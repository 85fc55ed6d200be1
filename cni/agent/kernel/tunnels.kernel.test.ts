import { beforeEach, describe, expect, test } from 'vitest';
import { kernelHas } from '../../../conformance/testing/kernel-features.ts';
import { freshNetns, ipJson, run } from '../../../conformance/testing/netns.ts';
import { type Cidr, parseCidr } from '../../../shared/ip/cidr.ts';
import { type Ip, parseIp } from '../../../shared/ip/ip.ts';
import type { DesiredNetwork, DesiredWireguardPeer, WireguardDevice } from '../network/desired.ts';
import { planNetwork } from '../network/plan.ts';
import { Secret } from '../network/secret.ts';
import { publicKeyOf } from '../wireguard-key-file.ts';
import { FakeKernel } from './fake-kernel.ts';
import type { Kernel } from './kernel.ts';
import { LinuxKernel } from './linux-kernel.ts';

const available = freshNetns();

const ip = (text: string): Ip => parseIp(text) as Ip;
const cidr = (text: string): Cidr => parseCidr(text) as Cidr;
const sh = (command: string): string => run('sh', '-ec', command);
const key = (last: number): Uint8Array => {
  const bytes = new Uint8Array(32).fill(7);
  // As a scalar of Curve25519 is (RFC 7748 section 5); the kernel would make it one.
  bytes[0] = 0;
  bytes[31] = 0x40 + last;
  return bytes;
};
const base64 = (last: number): string => publicKeyOf(key(last)).toBase64();

/** Brings the kernel to the desired state and returns the kinds of the changes that it took. */
function converge(kernel: Kernel, desired: DesiredNetwork): string[] {
  const changes = planNetwork(desired, kernel.readNetwork(desired.devices.map((device) => device.name)));
  expect(kernel.apply(changes).map(({ error }) => error.message)).toEqual([]);
  return changes.map((change) => change.kind);
}

function peer(n: number, part: Partial<DesiredWireguardPeer> = {}): DesiredWireguardPeer {
  return {
    device: 'flannel-wg',
    publicKey: publicKeyOf(key(n)),
    presharedKey: new Secret(new Uint8Array(32).fill(9)),
    endpoint: { ip: ip(n % 2 === 0 ? `192.0.2.${n}` : `2001:db8::${n}`), port: 51820 },
    allowedIps: [cidr(`10.244.${n}.0/24`), cidr(`fd00:244:0:${n}::/64`)],
    keepalive: 25,
    ...part,
  };
}

function wireguardOf(
  wireguardPeers: DesiredWireguardPeer[],
  part: Partial<WireguardDevice['wireguard']> = {},
): DesiredNetwork {
  return {
    devices: [
      {
        kind: 'wireguard',
        name: 'flannel-wg',
        mtu: 1420,
        addresses: [cidr('10.244.1.0/32'), cidr('fd00:244:0:1::/128')],
        wireguard: {
          privateKey: new Secret(key(1)),
          publicKey: publicKeyOf(key(1)),
          listenPort: 51820,
          ...part,
        },
      },
    ],
    neighbours: [],
    fdb: [],
    wireguardPeers,
    routes: [
      { destination: cidr('10.244.0.0/16'), device: 'flannel-wg', onlink: false },
      { destination: cidr('fd00:244::/48'), device: 'flannel-wg', onlink: false },
    ],
  };
}

function ipipOf(...peers: number[]): DesiredNetwork {
  return {
    devices: [
      {
        kind: 'ipip',
        name: 'flannel.ipip',
        mtu: 1480,
        addresses: [cidr('10.244.1.0/32')],
        ipip: { local: ip('192.0.2.1') },
      },
    ],
    neighbours: [],
    fdb: [],
    wireguardPeers: [],
    routes: peers.map((n) => ({
      destination: cidr(`10.244.${n}.0/24`),
      gateway: ip(`192.0.2.${n}`),
      device: 'flannel.ipip',
      onlink: true,
    })),
  };
}

/** What both the fake and Linux do. */
function contract(name: string, open: () => Kernel & Disposable, has: boolean): void {
  describe.skipIf(!has)(`${name}: WireGuard`, () => {
    test('from nothing to the desired state, from one to another, and nothing after it', () => {
      using kernel = open();
      const first = wireguardOf([peer(2), peer(3)]);
      expect(converge(kernel, first)).toEqual([
        'create-device',
        'add-address',
        'add-address',
        'set-wireguard-peer',
        'set-wireguard-peer',
        'set-route',
        'set-route',
      ]);
      expect(converge(kernel, first)).toEqual([]);
      const [device] = kernel.readNetwork(['flannel-wg']).wireguard;
      expect(device?.publicKey?.toBase64()).toBe(base64(1));
      expect(device?.peers.map((each) => each.publicKey.toBase64()).sort()).toEqual(
        [base64(2), base64(3)].sort(),
      );
      // One goes, one comes, one gets its subnet: no more than that is touched.
      const second = wireguardOf([peer(3), peer(4, { allowedIps: [cidr('10.244.2.0/24')] })]);
      expect(converge(kernel, second)).toEqual(['set-wireguard-peer', 'delete-wireguard-peer']);
      expect(converge(kernel, second)).toEqual([]);
      // The key and the port change on the device as it is.
      const { index } = kernel.readNetwork([]).links.find((link) => link.name === 'flannel-wg') ?? {};
      const key9 = { privateKey: new Secret(key(9)), publicKey: publicKeyOf(key(9)), listenPort: 4500 };
      expect(converge(kernel, { ...wireguardOf([peer(3)], key9) })).toEqual([
        'change-device',
        'delete-wireguard-peer',
      ]);
      expect(kernel.readNetwork(['flannel-wg']).wireguard).toMatchObject([{ index, listenPort: 4500 }]);
    });

    test('its fingerprint changes with peers and port, and with nothing else', () => {
      using kernel = open();
      converge(kernel, wireguardOf([peer(2), peer(3)]));
      const index = kernel.readNetwork([]).links.find((link) => link.name === 'flannel-wg')?.index ?? 0;
      const seen = new Set([kernel.wireguardGlance(index)?.fingerprint]);
      expect(kernel.wireguardGlance(index)?.fingerprint).toBe([...seen][0]);
      for (const [at, changed] of [
        wireguardOf([peer(3)]),
        wireguardOf([peer(2), peer(3, { allowedIps: [] })]),
        wireguardOf([peer(2, { endpoint: { ip: ip('192.0.2.99'), port: 51820 } }), peer(3)]),
        wireguardOf([peer(2), peer(3)], { listenPort: 4500 }),
      ].entries()) {
        converge(kernel, changed);
        seen.add(kernel.wireguardGlance(index)?.fingerprint);
        expect(seen.size).toBe(at + 2);
      }
      expect(kernel.wireguardGlance(index)?.fingerprint).toBeDefined();
      expect(kernel.wireguardGlance(9999)).toBeUndefined();
      const { endpoint, rxBytes } =
        kernel.wireguardGlance(index)?.whereabouts().get(peer(2).publicKey.toHex()) ?? {};
      expect([endpoint, rxBytes]).toEqual([peer(2).endpoint, 0]);
    });

    test.each<[string, Partial<DesiredWireguardPeer>]>([
      ['endpoint', { endpoint: { ip: ip('192.0.2.99'), port: 51820 } }],
      ['port', { endpoint: { ip: ip('192.0.2.2'), port: 4500 } }],
      ['networks', { allowedIps: [cidr('10.244.2.0/24')] }],
      ['keepalive', { keepalive: 0 }],
      ['pre-shared key', { presharedKey: new Secret(new Uint8Array(32).fill(8)) }],
    ])('another %s is set on the peer, and taken back', (_what, part) => {
      using kernel = open();
      converge(kernel, wireguardOf([peer(2), peer(3)]));
      for (const wanted of [peer(2, part), peer(2)]) {
        expect(converge(kernel, wireguardOf([wanted, peer(3)]))).toEqual(['set-wireguard-peer']);
        expect(converge(kernel, wireguardOf([wanted, peer(3)]))).toEqual([]);
      }
    });

    test('a pre-shared key is taken away', () => {
      using kernel = open();
      converge(kernel, wireguardOf([peer(2)]));
      const { presharedKey: _, ...plain } = peer(2);
      expect(converge(kernel, wireguardOf([plain]))).toEqual(['set-wireguard-peer']);
      expect(converge(kernel, wireguardOf([plain]))).toEqual([]);
    });
  });
}

function fake(): Kernel {
  const kernel = new FakeKernel();
  kernel.network.addLink('eth0', [cidr('192.0.2.1/24')]);
  return kernel;
}

contract('the fake', fake, true);

const hasWireguard = available && kernelHas('wireguard');
const hasIpip = available && kernelHas('ipip');

beforeEach(() => {
  if (!available) return;
  sh(`for link in eth0 flannel-wg flannel.ipip; do ip link del $link 2>/dev/null || true; done
    ip link add eth0 type veth peer name far
    ip link set far up; ip link set eth0 up
    ip addr add 192.0.2.1/24 dev eth0; ip -6 addr add 2001:db8::1/64 dev eth0 nodad`);
});

contract('Linux', () => LinuxKernel.open(), hasWireguard);

describe.skipIf(!hasWireguard)('what wg and ip say', () => {
  test('of a device and its peers', () => {
    using kernel = LinuxKernel.open();
    converge(kernel, wireguardOf([peer(2)]));
    const psk = new Uint8Array(32).fill(9).toBase64();
    expect(
      sh('wg show flannel-wg dump')
        .trim()
        .split('\n')
        .map((line) => line.split('\t').slice(0, 5)),
    ).toEqual([
      [key(1).toBase64(), base64(1), '51820', 'off'],
      [base64(2), psk, '192.0.2.2:51820', '10.244.2.0/24,fd00:244:0:2::/64', '0'],
    ]);
    expect(ipJson('link', 'show', 'flannel-wg')[0]).toMatchObject({ mtu: 1420, operstate: 'UNKNOWN' });
    expect(ipJson('route', 'show', '10.244.0.0/16')).toMatchObject([{ dev: 'flannel-wg', protocol: '93' }]);
  });

  // One after the other on one device: a start for each would take the VM minutes.
  const damages: readonly (readonly [command: string, changes: readonly string[]])[] = [
    [`wg set flannel-wg peer ${base64(2)} remove`, ['set-wireguard-peer']],
    [`wg set flannel-wg peer ${base64(8)} allowed-ips 10.9.0.0/24`, ['delete-wireguard-peer']],
    [`wg set flannel-wg peer ${base64(2)} endpoint 192.0.2.77:1`, ['set-wireguard-peer']],
    [`wg set flannel-wg peer ${base64(2)} allowed-ips 10.9.0.0/24`, ['set-wireguard-peer']],
    [`wg set flannel-wg peer ${base64(2)} persistent-keepalive 5`, ['set-wireguard-peer']],
    ['wg set flannel-wg listen-port 4444', ['change-device']],
    ['wg set flannel-wg private-key /dev/null', ['change-device']],
    ['ip link set flannel-wg mtu 1300', ['change-device']],
    ['ip link set flannel-wg down', ['change-device', 'set-route', 'set-route']],
    ['ip route del 10.244.0.0/16 dev flannel-wg', ['set-route']],
    ['ip route add 10.250.0.0/16 dev flannel-wg', ['delete-route']],
    [
      'ip link del flannel-wg; ip link add flannel-wg type bridge',
      [
        'delete-device',
        'create-device',
        'add-address',
        'add-address',
        'set-wireguard-peer',
        'set-route',
        'set-route',
      ],
    ],
  ];

  test('whatever is broken is mended, and no more than that', () => {
    using kernel = LinuxKernel.open();
    const desired = wireguardOf([peer(2)]);
    converge(kernel, desired);
    for (const [command, expected] of damages) {
      sh(command);
      const kinds = converge(kernel, desired);
      // Linux drops the IPv6 address with the link.
      const counted = kinds.filter((kind) => kind !== 'add-address' || expected.includes(kind));
      expect([command, ...counted]).toEqual([command, ...expected]);
      expect(converge(kernel, desired)).toEqual([]);
    }
  });

  test('hundreds of peers with two networks each are read as they were set', () => {
    using kernel = LinuxKernel.open();
    const peers = Array.from({ length: 300 }, (_, n) => {
      const scalar = key(0);
      scalar[1] = n & 255;
      scalar[2] = n >> 8;
      return {
        ...peer(2),
        publicKey: publicKeyOf(scalar),
        allowedIps: [cidr(`10.${n >> 8}.${n & 255}.0/24`), cidr(`fd00:244:1:${n.toString(16)}::/64`)],
      };
    });
    expect(converge(kernel, wireguardOf(peers)).filter((kind) => kind === 'set-wireguard-peer')).toHaveLength(
      300,
    );
    expect(converge(kernel, wireguardOf(peers))).toEqual([]);
  });

  test('an endpoint from which the peer has just been heard is left, and set when it is silent', () => {
    using kernel = LinuxKernel.open();
    // The peer, in the same namespace, at another port than it publishes.
    sh(`ip link del far-wg 2>/dev/null || true; ip link add far-wg type wireguard
      echo ${key(2).toBase64()} > /dev/shm/underpod-test-key
      wg set far-wg private-key /dev/shm/underpod-test-key listen-port 4711 peer ${base64(1)} endpoint 192.0.2.1:51820 allowed-ips 10.7.0.0/24
      rm /dev/shm/underpod-test-key; ip addr add 10.7.0.1/24 dev far-wg; ip link set far-wg up`);
    const { presharedKey: _, ...plain } = peer(2);
    const desired = wireguardOf([plain]);
    converge(kernel, desired);
    sh('ping -c 1 -W 1 10.7.0.2 >/dev/null || true');
    const [device] = kernel.readNetwork(['flannel-wg']).wireguard;
    const [heard] = device?.peers ?? [];
    expect(heard?.endpoint?.port).toBe(4711);
    expect(heard?.handshakeAgeMs).toBeLessThan(180_000);
    expect(heard?.rxBytes).toBeGreaterThan(0);
    expect(converge(kernel, desired)).toEqual([]);
    sh('ip link del far-wg');
  });
});

describe.skipIf(!hasIpip)('IPIP', () => {
  test('from nothing to the desired state, and nothing after it', () => {
    using kernel = LinuxKernel.open();
    expect(converge(kernel, ipipOf(2, 3))).toEqual([
      'create-device',
      'add-address',
      'set-route',
      'set-route',
    ]);
    expect(converge(kernel, ipipOf(2, 3))).toEqual([]);
    const [link] = ipJson('link', 'show', 'flannel.ipip') as { linkinfo: { info_data: object } }[];
    expect(link).toMatchObject({ mtu: 1480, address: '192.0.2.1' });
    expect(ipJson('route', 'show', '10.244.2.0/24')).toMatchObject([
      { gateway: '192.0.2.2', dev: 'flannel.ipip', protocol: '93', flags: ['onlink'] },
    ]);
  });

  const damages: readonly (readonly [command: string, changes: readonly string[]])[] = [
    ['ip tunnel change flannel.ipip mode ipip local 192.0.2.9', ['change-device']],
    ['ip link set flannel.ipip mtu 1300', ['change-device']],
    ['ip link set flannel.ipip down', ['change-device', 'set-route']],
    ['ip route del 10.244.2.0/24', ['set-route']],
    ['ip addr add 10.9.9.9/32 dev flannel.ipip', ['delete-address']],
    [
      'ip link del flannel.ipip; ip link add flannel.ipip type ipip local 192.0.2.1 remote 192.0.2.9',
      ['delete-device', 'create-device', 'add-address', 'set-route'],
    ],
  ];

  test('whatever is broken is mended, and no more than that', () => {
    using kernel = LinuxKernel.open();
    converge(kernel, ipipOf(2));
    for (const [command, expected] of damages) {
      sh(command);
      expect([command, ...converge(kernel, ipipOf(2))]).toEqual([command, ...expected]);
      expect(converge(kernel, ipipOf(2))).toEqual([]);
    }
  });
});
