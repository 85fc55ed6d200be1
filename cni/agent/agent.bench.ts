/**
 * How long the agent takes to program its peers: from the list of leases known to the kernel's last acknowledgement
 * of neighbour, forwarding entry and route of each, in a network namespace of its own. What was programmed is counted
 * back from the kernel.
 */

import { parseCidr } from '../../shared/ip/cidr.ts';
import { type Ip, parseIp } from '../../shared/ip/ip.ts';
import { IFF } from '../../shared/netlink/codec/link.ts';
import { NUD } from '../../shared/netlink/codec/neighbour.ts';
import { newAddress, newLink } from '../../shared/netlink/requests.ts';
import { Rtnetlink } from '../../shared/netlink/rtnetlink.ts';
import type { NodeLease } from '../../shared/store/registry.ts';
import { createNetns, deleteNetns, inNetns, openNetns } from '../../shared/sys/netns.ts';
import { desiredNetwork } from './backends/desired.ts';
import { createBackend } from './backends/registry.ts';
import { vxlanData } from './backends/vxlan-data.ts';
import { LinuxKernel } from './kernel/linux-kernel.ts';
import { ROUTE_PROTOCOL } from './network/desired.ts';
import { planNetwork } from './network/plan.ts';
import type { Underlay } from './underlay.ts';

export interface BenchResult {
  readonly name: string;
  readonly p50Ms: number;
  readonly budgetMs: number;
}

/** Milliseconds for 1,000 peers (3,000 messages): what keeps a start with a large cluster short. */
const BUDGET = 30;
const ROUNDS = 15;

/** Measures `n` peers, up to 65,000. @throws Error when the kernel holds another number than was programmed */
export async function benchPeers(n: number): Promise<BenchResult[]> {
  const path = `/run/underpod-bench-${process.pid}`;
  createNetns(path);
  try {
    using namespace = openNetns(path);
    using rtnetlink = Rtnetlink.open({ netns: namespace });
    using kernel = inNetns(namespace, () => LinuxKernel.open());
    return [measure(n, rtnetlink, kernel)];
  } finally {
    deleteNetns(path);
  }
}

function measure(n: number, rtnetlink: Rtnetlink, kernel: LinuxKernel): BenchResult {
  const address = ip('192.0.2.1');
  const up = { flags: IFF.UP, changeMask: IFF.UP } as const;
  const eth0 = { name: 'eth0', kind: { kind: 'bridge' }, ...up } as const;
  rtnetlink.socket.request(newLink(eth0));
  const index = rtnetlink.linkByName('eth0')?.index ?? 0;
  rtnetlink.socket.request(newAddress({ index, address: { ip: address, prefix: 16 } }));

  const underlay: Underlay = { family: 4, index, name: 'eth0', mtu: 1500, address, publicIp: address };
  const backend = createBackend(
    { type: 'vxlan', options: {} },
    {
      networks: { v4: { ip: ip('10.0.0.0'), prefix: 8 } },
      wireguardKey: () => {
        throw new Error('VXLAN has no key');
      },
    },
  );
  const own = lease(0);
  const program = (peers: readonly NodeLease[]): number => {
    const start = performance.now();
    const { network } = desiredNetwork(backend, {
      lease: own,
      underlays: { v4: underlay },
      peers,
      direct: () => undefined,
    });
    const changes = planNetwork(network, kernel.readNetwork(backend.devices));
    const failures = kernel.apply(changes);
    const time = performance.now() - start;
    if (failures[0]) throw failures[0].error;
    return time;
  };

  program([]);
  const peers = Array.from({ length: n }, (_, peer) => lease(peer + 1));
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    // Leases as they come from the registry: nothing derived from them is known yet.
    times.push(program(peers.map((peer) => structuredClone(peer))));
    count(n, kernel);
    program([]);
    count(0, kernel);
  }
  times.sort((a, b) => a - b);
  return { name: `agent: program ${n} peers`, p50Ms: times[ROUNDS >> 1] ?? 0, budgetMs: (BUDGET * n) / 1000 };
}

function count(n: number, kernel: LinuxKernel): void {
  const { neighbours, fdb, routes } = kernel.readNetwork(['flannel.1']);
  const ours = neighbours.filter((neighbour) => neighbour.state === NUD.PERMANENT);
  const found = [ours, fdb, routes.filter((route) => route.protocol === ROUTE_PROTOCOL)].map(
    (list) => list.length,
  );
  if (found.some((number) => number !== n))
    throw new Error(`programmed ${n} peers, the kernel has ${found.join(', ')}`);
}

/** Node number `n`: subnet 10.x.y.0/24, public address 192.0.x.y. */
function lease(n: number): NodeLease {
  const [high, low] = [n >> 8, n & 255];
  const subnet = parseCidr(`10.${high}.${low}.0/24`);
  return {
    node: `node-${n}`,
    ...(subnet && { subnet }),
    publicIp: ip(`172.16.${high}.${low}`),
    backend: { type: 'vxlan', data: vxlanData(1, new Uint8Array([2, 0, 0, 0, high, low])) },
    expiresAt: Number.POSITIVE_INFINITY,
  };
}

function ip(text: string): Ip {
  const address = parseIp(text);
  if (!address) throw new Error(`${text} is no address`);
  return address;
}

if (import.meta.main) console.log(await benchPeers(Number(process.argv[2] ?? 1000)));
