/**
 * A cluster of one node in namespaces: the test's own one is the node, pods hang on it by a veth each, another node with
 * its pods, the outside and strangers by one each. What a client gets to see, and who answers it, is told by `ask`.
 */

import { mkdirSync } from 'node:fs';
import type { Family } from '../../../cni/proxy/model/endpoint.ts';
import { type Ip, ipToBytes, parseIp } from '../../../shared/ip/ip.ts';
import { decodeFlow, deleteFlow, dumpFlows } from '../../../shared/netlink/codec/conntrack.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import type { OwnedFd } from '../../../shared/sys/fd.ts';
import { openIcmpSocket, sendIcmp } from '../../../shared/sys/icmp-socket.ts';
import { createNetns, inNetns, openNetns } from '../../../shared/sys/netns.ts';
import { writeSysctl } from '../../../shared/sys/sysctl.ts';
import { coverWithTmpfs, run } from '../../testing/netns.ts';
import { ADDRESSES, type Client, SERVER_PORT, type Server } from './addresses.ts';
import {
  addressOfSender,
  bindInet,
  connectInet,
  errorOf,
  isReady,
  openInet,
  receiveBytes,
  receiveFrom,
  sendTo,
} from './inet-socket.ts';

/** What became of a connection. */
export type Answer =
  | { readonly by: Server /** What it sees. */; readonly source: string }
  /** An error came back. */
  | 'refused'
  /** Nothing came back. */
  | 'silence';

export interface Question {
  readonly from: Client;
  readonly to: string;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
}

/** How long somebody may be silent who is thought to answer, and who is thought not to, in milliseconds. */
const PATIENCE = 3000;
const SHORT_PATIENCE = 120;

const SERVERS: readonly Server[] = ['local1', 'local2', 'remote1', 'remote2'];

/** Namespaces of clients and servers; the node is the test's own. */
const NAMESPACES = ['pod', 'local1', 'local2', 'remote', 'outside', 'stranger'] as const;
type Namespace = (typeof NAMESPACES)[number];

export class Cluster implements Disposable {
  readonly #namespaces = new Map<Namespace, OwnedFd>();
  readonly #listeners: { stop(closeActive?: boolean): void }[] = [];
  readonly #datagrams: { readonly server: Server; readonly fd: OwnedFd }[] = [];

  /** Call `freshNetns` before. */
  constructor() {
    coverWithTmpfs('/run');
    mkdirSync('/run/netns');
    for (const name of NAMESPACES) {
      createNetns(`/run/netns/${name}`);
      this.#namespaces.set(name, openNetns(`/run/netns/${name}`));
    }
    writeSysctl('net/ipv4/ip_forward', '1');
    writeSysctl('net/ipv6/conf/all/forwarding', '1');
    // Refusals are ICMP errors, of which the kernel sends one a second to each address otherwise.
    writeSysctl('net/ipv4/icmp_ratelimit', '0');
    writeSysctl('net/ipv6/icmp/ratelimit', '0');
    for (const name of ['pod', 'local1', 'local2'] as const) this.#addPod(name);
    this.#addNeighbour('remote', 'eth1', '172.17.0', 'fd00:17::', ['10.244.2.0/24', 'fd00:244:2::/48']);
    this.#addNeighbour('outside', 'eth0', '172.16.0', 'fd00:16::', [
      '198.51.100.0/24',
      '2001:db8:7::/48',
      'default',
    ]);
    this.#addNeighbour('stranger', 'eth2', '172.18.0', 'fd00:18::', ['203.0.113.0/24', '2001:db8:9::/48']);
    // The first listener may start threads of the runtime, which must stay in this namespace.
    Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } }).stop();
    for (const server of SERVERS) for (const family of [4, 6] as const) this.#serve(server, family);
  }

  /** Opens a connection and tells who answers. @param expectsSilence waits less then */
  async ask({ from, to, port, protocol }: Question, expectsSilence = false): Promise<Answer> {
    const family = to.includes(':') ? 6 : 4;
    using socket = openInet(this.#of(from), family, protocol);
    // Hosts of the outside have several addresses; the node has the one that it finds.
    if (from !== 'node') bindInet(socket.fd, ADDRESSES[family].clients[from], 0);
    if (connectInet(socket.fd, to, port) !== 0) return 'refused';
    if (protocol === 'udp') sendTo(socket.fd, 'who?');
    const deadline = performance.now() + (expectsSilence ? SHORT_PATIENCE : PATIENCE);
    while (performance.now() < deadline) {
      this.#answerDatagrams();
      if (isReady(socket.fd)) {
        const answer = receiveFrom(socket.fd);
        if (typeof answer === 'number' || (answer === undefined && errorOf(socket.fd) !== 0))
          return 'refused';
        if (answer !== undefined && answer.text !== '') {
          const [by, source = ''] = answer.text.split(' ');
          return { by: by as Server, source };
        }
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    return 'silence';
  }

  /** Sends an echo request and tells what comes back. */
  async ping(from: Client, to: string, expectsSilence = false): Promise<'echo' | 'refused' | 'silence'> {
    const family = to.includes(':') ? 6 : 4;
    const netns = this.#of(from);
    using socket =
      netns === undefined ? openIcmpSocket(family) : inNetns(netns, () => openIcmpSocket(family));
    // Type, code, checksum, identifier, number (RFC 792); of ICMPv6 the kernel fills in the checksum.
    const request =
      family === 4 ? Uint8Array.of(8, 0, 0xf7, 0xfe, 0, 1, 0, 0) : Uint8Array.of(128, 0, 0, 0, 0, 1, 0, 0);
    sendIcmp(socket.fd, ipToBytes(parseIp(to) as Ip), request);
    const deadline = performance.now() + (expectsSilence ? SHORT_PATIENCE : PATIENCE);
    while (performance.now() < deadline) {
      const message = receiveBytes(socket.fd);
      if (message !== undefined) {
        // A raw socket of IPv4 is given the header as well; every one of the namespace is given everything.
        const [type, code] = family === 4 ? message.subarray(((message[0] ?? 0) & 15) * 4) : message;
        if (type === (family === 4 ? 0 : 129)) return 'echo';
        if (type === (family === 4 ? 3 : 1) && code === (family === 4 ? 3 : 4)) return 'refused';
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    return 'silence';
  }

  /** Runs a program in a client's namespace. */
  run(from: Client, program: string, ...args: string[]): string {
    if (from === 'node') return run(program, ...args);
    return run('nsenter', `--net=/run/netns/${from}`, program, ...args);
  }

  /**
   * Has the node forget its flows. A flow that another set of rules opened would go on as it was, with whoever draws its
   * source port again.
   */
  forgetFlows(): void {
    using kernel = NetlinkSocket.open(NETLINK.NETFILTER);
    for (const family of [4, 6] as const) {
      const flows = kernel.dump(dumpFlows(family)).map(({ payload }) => decodeFlow(payload));
      // What fails has ended meanwhile.
      kernel.transact(flows.filter((flow) => flow !== undefined).map(deleteFlow));
    }
  }

  /** The namespace of a client; undefined is the test's own. */
  #of(client: Client): OwnedFd | undefined {
    return client === 'node' ? undefined : this.#namespaces.get(client);
  }

  #addPod(name: 'pod' | 'local1' | 'local2'): void {
    const link = `veth-${name}`;
    run('ip', 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
    run('ip', 'address', 'add', '10.244.1.254/32', 'dev', link);
    run('ip', 'address', 'add', 'fd00:244:1::fe/128', 'dev', link, 'nodad');
    run('ip', 'link', 'set', link, 'up');
    const inside = (...args: string[]): string => run('ip', '-n', name, ...args);
    inside('link', 'set', 'lo', 'up');
    inside('link', 'set', 'eth0', 'up');
    for (const family of [4, 6] as const) {
      const address = ADDRESSES[family].clients[name];
      const gateway = ADDRESSES[family].node[0] as string;
      inside('address', 'add', address, 'dev', 'eth0', ...(family === 6 ? ['nodad'] : []));
      inside('route', 'add', gateway, 'dev', 'eth0');
      inside('route', 'add', 'default', 'via', gateway);
      run('ip', 'route', 'add', address, 'dev', link);
    }
  }

  #addNeighbour(name: Namespace, link: string, v4: string, v6: string, networks: readonly string[]): void {
    run('ip', 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
    run('ip', 'address', 'add', `${v4}.1/24`, 'dev', link);
    run('ip', 'address', 'add', `${v6}1/64`, 'dev', link, 'nodad');
    run('ip', 'link', 'set', link, 'up');
    const inside = (...args: string[]): string => run('ip', '-n', name, ...args);
    inside('link', 'set', 'lo', 'up');
    inside('address', 'add', `${v4}.2/24`, 'dev', 'eth0');
    inside('address', 'add', `${v6}2/64`, 'dev', 'eth0', 'nodad');
    inside('link', 'set', 'eth0', 'up');
    for (const { servers, clients } of Object.values(ADDRESSES)) {
      const own = name === 'remote' ? [servers.remote1, servers.remote2] : [clients[name as Client]];
      for (const address of own) inside('address', 'add', address, 'dev', 'lo');
    }
    inside('route', 'add', 'default', 'via', `${v4}.1`);
    inside('route', 'add', 'default', 'via', `${v6}1`);
    for (const network of networks) {
      if (network === 'default' || !network.includes(':'))
        run('ip', 'route', 'add', network, 'via', `${v4}.2`);
      if (network === 'default' || network.includes(':'))
        run('ip', '-6', 'route', 'add', network, 'via', `${v6}2`);
    }
  }

  /** Answers everybody with its name and the address that it sees. */
  #serve(server: Server, family: Family): void {
    const hostname = ADDRESSES[family].servers[server];
    const netns = this.#namespaces.get(
      server.startsWith('remote') ? 'remote' : (server as Namespace),
    ) as OwnedFd;
    const listener = inNetns(netns, () =>
      Bun.listen({
        hostname,
        port: SERVER_PORT,
        socket: {
          open: (socket) => {
            socket.end(`${server} ${socket.remoteAddress}`);
          },
          data() {},
        },
      }),
    );
    this.#listeners.push(listener);
    const fd = openInet(netns, family, 'udp');
    bindInet(fd.fd, hostname, SERVER_PORT);
    this.#datagrams.push({ server, fd });
  }

  #answerDatagrams(): void {
    for (const { server, fd } of this.#datagrams) {
      const asked = receiveFrom(fd.fd);
      if (typeof asked !== 'object') continue;
      sendTo(fd.fd, `${server} ${addressOfSender(asked.from)}`, asked.from);
    }
  }

  [Symbol.dispose](): void {
    for (const listener of this.#listeners) listener.stop(true);
    for (const { fd } of this.#datagrams) fd.close();
    for (const namespace of this.#namespaces.values()) namespace.close();
  }
}
