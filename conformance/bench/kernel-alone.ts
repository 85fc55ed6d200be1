/**
 * What of an ADD and a DEL is the kernel's: a veth pair made as a bridge's port, one end in a namespace with an address and
 * a route, both up, and deleted again; by netlink from one process that does nothing else.
 */

import type { Cidr } from '../../shared/ip/cidr.ts';
import { decodeLink, IFF } from '../../shared/netlink/codec/link.ts';
import { NETLINK } from '../../shared/netlink/codec/message.ts';
import { newAddress } from '../../shared/netlink/requests/address.ts';
import { delLink, getLink, newLink, setLink } from '../../shared/netlink/requests/link.ts';
import { newRoute } from '../../shared/netlink/requests/route.ts';
import { NetlinkSocket } from '../../shared/netlink/socket.ts';
import { openNetns } from '../../shared/sys/netns.ts';
import type { Container, World } from '../cni/world.ts';
import { type Figure, median } from './figure.ts';

const name = 'kernel-alone';

/** 10.101.15.254/20, which no pod has, its gateway 10.101.0.1, and the default route. */
const address: Cidr = { ip: { family: 4, value: 0x0a65_0ffen }, prefix: 20 };
const gateway = { family: 4, value: 0x0a65_0001n } as const;
const anywhere: Cidr = { ip: { family: 4, value: 0n }, prefix: 0 };

/** Milliseconds between two rounds, for what the kernel does after a link is gone. */
const pauseMs = 50;

function indexOf(host: NetlinkSocket, link: string): number {
  const [reply] = host.request(getLink({ name: link }));
  if (!reply) throw new Error(`no link ${link}`);
  return decodeLink(reply.payload).index;
}

/** The host's end before the container's, and its options before it is up, as costs least. */
function make(host: NetlinkSocket, master: number, container: Container): void {
  using netns = openNetns(container.netns);
  using pod = NetlinkSocket.open(NETLINK.ROUTE, { netns });
  const peer = { name: 'eth0', netnsFd: netns.fd };
  host.requestAll([
    newLink({ name, master, kind: { kind: 'veth', peer } }),
    getLink({ name }),
    setLink({ name, flags: IFF.UP }),
  ]);
  // The loopback interface is the first one of every namespace.
  const index = 2;
  pod.requestAll([
    newAddress({ index, address }),
    setLink({ index, flags: IFF.UP }),
    newRoute({ destination: anywhere, oif: index, gateway }),
  ]);
  // The look that makes the bridge notice that its port has a carrier.
  host.request(getLink({ name }));
}

/** @param bridge is there, with the gateway's address */
export async function benchKernel(
  world: World,
  bridge: string,
  rounds: number,
  note: string,
): Promise<Figure[]> {
  using host = NetlinkSocket.open(NETLINK.ROUTE);
  const master = indexOf(host, bridge);
  const made: number[] = [];
  const deleted: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const container = world.container('kernel');
    const start = Bun.nanoseconds();
    make(host, master, container);
    const between = Bun.nanoseconds();
    host.request(delLink({ index: indexOf(host, name) }));
    made.push((between - start) / 1e6);
    deleted.push((Bun.nanoseconds() - between) / 1e6);
    world.remove(container);
    await Bun.sleep(pauseMs);
  }
  return [
    { name: `the kernel alone${note}: a pair made`, ours: median(made), rounds },
    { name: `the kernel alone${note}: a pair deleted, with its wait for RCU`, ours: median(deleted), rounds },
  ];
}
