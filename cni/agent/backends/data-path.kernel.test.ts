import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { kernelHas } from '../../../conformance/testing/kernel-features.ts';
import { coverWithTmpfs, freshNetns, run } from '../../../conformance/testing/netns.ts';
import { parseCidr } from '../../../shared/ip/cidr.ts';
import { parseIp } from '../../../shared/ip/ip.ts';
import { Rtnetlink } from '../../../shared/netlink/rtnetlink.ts';
import type { NodeLease } from '../../../shared/store/registry.ts';
import { inNetns, openNetns } from '../../../shared/sys/netns.ts';
import { directRoutes } from '../direct-routes.ts';
import { LinuxKernel } from '../kernel/linux-kernel.ts';
import { planNetwork } from '../network/plan.ts';
import { Secret } from '../network/secret.ts';
import { publicKeyOf } from '../wireguard-key-file.ts';
import type { Backend, Underlays } from './backend.ts';
import { desiredNetwork } from './desired.ts';
import { createBackend } from './registry.ts';

const available = freshNetns();
if (available) coverWithTmpfs('/run');

const sh = (command: string): string => run('sh', '-ec', command);
const cidr = (text: string): NonNullable<ReturnType<typeof parseCidr>> => parseCidr(text)!;
const ip = (text: string): NonNullable<ReturnType<typeof parseIp>> => parseIp(text)!;

/** Two nodes on one link, each with the first address of its subnet for a pod. */
const NODES = [1, 2] as const;
type Families = '4' | '6' | '46';

class TestNode implements Disposable {
  readonly n: number;
  readonly backend: Backend;
  readonly kernel: LinuxKernel;
  readonly #families: Families;
  readonly #underlays: Underlays;
  lease: NodeLease;

  constructor(n: number, type: string, options: Record<string, unknown>, families: Families) {
    this.n = n;
    this.#families = families;
    using namespace = openNetns(`/run/netns/n${n}`);
    using rtnetlink = Rtnetlink.open({ netns: namespace });
    const index = rtnetlink.linkByName('eth0')?.index ?? 0;
    this.kernel = inNetns(namespace, () => LinuxKernel.open());
    const underlay = (family: 4 | 6, address: string): NonNullable<Underlays['v4']> => {
      return { family, index, name: 'eth0', mtu: 1500, address: ip(address), publicIp: ip(address) };
    };
    this.#underlays = {
      ...(this.#has('4') && { v4: underlay(4, `192.0.2.${n}`) }),
      ...(this.#has('6') && { v6: underlay(6, `2001:db8::${n}`) }),
    };
    const privateKey = new Uint8Array(32).fill(n * 8);
    privateKey[31] = 0x40;
    this.backend = createBackend(
      { type, options },
      {
        networks: {
          ...(this.#has('4') && { v4: cidr('10.244.0.0/16') }),
          ...(this.#has('6') && { v6: cidr('fd00:244::/48') }),
        },
        wireguardKey: () => ({
          privateKey: new Secret(privateKey),
          publicKey: publicKeyOf(privateKey),
        }),
      },
    );
    this.lease = {
      node: `n${n}`,
      ...(this.#has('4') && { subnet: cidr(`10.244.${n}.0/24`), publicIp: ip(`192.0.2.${n}`) }),
      ...(this.#has('6') && { subnetV6: cidr(`fd00:244:0:${n}::/64`), publicIpV6: ip(`2001:db8::${n}`) }),
      backend: this.backend.publish(undefined, this.kernel.readNetwork([])),
      expiresAt: Number.POSITIVE_INFINITY,
    };
  }

  #has(family: '4' | '6'): boolean {
    return this.#families.includes(family);
  }

  get podMtu(): number {
    return this.backend.podMtu(this.#underlays);
  }

  /** One round of what the agent does. */
  program(peers: readonly NodeLease[]): number {
    const observed = this.kernel.readNetwork(this.backend.devices);
    const direct = directRoutes(observed, this.backend.devices);
    const { network, skipped } = desiredNetwork(this.backend, {
      lease: this.lease,
      underlays: this.#underlays,
      peers,
      direct,
    });
    expect(skipped).toEqual([]);
    const changes = planNetwork(network, observed);
    expect(this.kernel.apply(changes).map(({ error }) => error.message)).toEqual([]);
    return changes.length;
  }

  [Symbol.dispose](): void {
    this.kernel[Symbol.dispose]();
  }
}

describe.skipIf(!available)('packets of the pods of two nodes', () => {
  beforeEach(() => {
    sh(`ip netns add n1; ip netns add n2; ip link add eth0 netns n1 type veth peer name eth0 netns n2
      for n in 1 2; do ip -n n$n -batch - <<END
link set lo up
link set eth0 up
address add 192.0.2.$n/24 dev eth0
address add 2001:db8::$n/64 dev eth0 nodad
address add 10.244.$n.1/24 dev lo
address add fd00:244:0:$n::1/64 dev lo nodad
END
      done`);
  });

  afterEach(() => {
    sh('ip netns del n1; ip netns del n2');
  });

  const wireguard = kernelHas('wireguard');
  const ipip = kernelHas('ipip');
  const all: readonly Families[] = ['4', '6', '46'];
  const CASES: readonly (readonly [string, Record<string, unknown>, readonly Families[], boolean])[] = [
    ['vxlan', {}, all, true],
    ['vxlan', { DirectRouting: true }, ['46'], true],
    ['host-gw', {}, all, true],
    ['wireguard', { PSK: new Uint8Array(32).fill(1).toBase64() }, all, wireguard],
    ['wireguard', { Mode: 'auto' }, ['46'], wireguard],
    ['wireguard', { Mode: 'ipv6' }, ['46'], wireguard],
    ['ipip', {}, ['4'], ipip],
    ['ipip', { DirectRouting: true }, ['4'], ipip],
  ];

  for (const [type, options, families, has] of CASES) {
    test.skipIf(!has).each(families)(
      `arrive at full size: ${type} ${JSON.stringify(options)}, IPv%s`,
      (used) => {
        using first = new TestNode(1, type, options, used);
        using second = new TestNode(2, type, options, used);
        for (const [node, peer] of [
          [first, second],
          [second, first],
        ] as const) {
          expect(node.program([peer.lease])).toBeGreaterThan(0);
          expect(node.program([peer.lease])).toBe(0);
        }
        for (const n of NODES) {
          const other = 3 - n;
          // ICMP's header takes 8 bytes, IP's 20 or 40.
          const ping = (family: 4 | 6, from: string, to: string): string => {
            const size = first.podMtu - 8 - (family === 4 ? 20 : 40);
            return sh(`ip netns exec n${n} ping -${family} -c 1 -W 5 -M do -s ${size} -I ${from} ${to}`);
          };
          if (used.includes('4'))
            expect(ping(4, `10.244.${n}.1`, `10.244.${other}.1`)).toContain(' 0% packet loss');
          if (used.includes('6'))
            expect(ping(6, `fd00:244:0:${n}::1`, `fd00:244:0:${other}::1`)).toContain(' 0% packet loss');
        }
        expect(first.program([])).toBeGreaterThan(0);
      },
    );
  }
});
