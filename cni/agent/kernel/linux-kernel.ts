/** The kernel of the machine, in the process's own network namespace. */

import type { Ip } from '../../../shared/ip/ip.ts';
import { LegacyTables } from '../../../shared/iptables/legacy-tables.ts';
import type { CommandResult } from '../../../shared/iptables/programs.ts';
import type { Link } from '../../../shared/netlink/codec/link.ts';
import { NETLINK, type NlMessage } from '../../../shared/netlink/codec/message.ts';
import { decodeRoute, type Route, RT_TABLE } from '../../../shared/netlink/codec/route.ts';
import { isNetlinkError } from '../../../shared/netlink/error.ts';
import { NetlinkMonitor } from '../../../shared/netlink/monitor.ts';
import { getRoute } from '../../../shared/netlink/requests.ts';
import { Rtnetlink } from '../../../shared/netlink/rtnetlink.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { Wireguard } from '../../../shared/netlink/wireguard.ts';
import { notFrom } from '../../../shared/nftables/foreign-changes.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import { readSysctl, writeSysctl } from '../../../shared/sys/sysctl.ts';
import type { Change, ChangeFailure } from '../network/change.ts';
import type { ObservedNetwork, ObservedWireguard } from '../network/observed.ts';
import { applyChanges } from './apply.ts';
import { runCommand } from './command.ts';
import { decodeNftablesEvent, decodeRouteEvent, NFTABLES_GROUP, ROUTE_GROUPS } from './decode-event.ts';
import { Echoes } from './echoes.ts';
import type { KernelEvent } from './event.ts';
import type { Kernel, WireguardGlance } from './kernel.ts';
import { observedWireguard, whereabouts } from './wireguard.ts';

/**
 * Events wait until the changes that are being made are all sent. Of those of 5,000 peers that are heard, the forwarding entries,
 * each takes about a KiB; the kernel takes the memory only while they wait.
 */
const EVENT_BUFFER = 16 << 20;

export class LinuxKernel implements Kernel {
  readonly nftables: Nftables;
  readonly #echoes = new Echoes();
  readonly #rtnetlink: Rtnetlink;
  readonly #netfilter: NetlinkSocket;
  readonly #wireguard: Wireguard;
  readonly #legacy = new LegacyTables();

  readonly #procSys: string;

  /**
   * @param options.procSys where kernel parameters are: a container has /proc/sys read-only
   * @throws SyscallError when sockets cannot be opened
   */
  static open({ procSys = '/proc/sys' }: { readonly procSys?: string } = {}): LinuxKernel {
    return new LinuxKernel(procSys);
  }

  private constructor(procSys: string) {
    this.#procSys = procSys;
    this.#rtnetlink = Rtnetlink.open();
    this.#netfilter = NetlinkSocket.open(NETLINK.NETFILTER);
    this.#wireguard = Wireguard.open();
    this.nftables = new KernelNftables(this.#netfilter);
  }

  readNetwork(devices: readonly string[]): ObservedNetwork {
    const links = this.#rtnetlink.links();
    const indexes = links.filter((link) => devices.includes(link.name)).map((link) => link.index);
    const each = <T>(read: (index: number) => readonly T[]): T[] =>
      indexes.flatMap((index) => this.#on(index, read));
    // Others have no forwarding table.
    const vxlans = new Set(links.filter((link) => link.kind?.kind === 'vxlan').map((link) => link.index));
    return {
      links,
      addresses: this.#rtnetlink.addresses(),
      routes: ([4, 6] as const).flatMap((family) => this.#rtnetlink.routes({ family, table: RT_TABLE.MAIN })),
      neighbours: each((index) => [
        ...this.#rtnetlink.neighbours(4, { index }),
        ...this.#rtnetlink.neighbours(6, { index }),
      ]),
      fdb: each((index) => (vxlans.has(index) ? this.#rtnetlink.fdb({ index }) : [])),
      wireguard: this.#readWireguard(links, indexes),
    };
  }

  readLinks(): Pick<ObservedNetwork, 'links'> {
    return { links: this.#rtnetlink.links() };
  }

  apply(changes: readonly Change[], links?: ReadonlyMap<string, number>): readonly ChangeFailure[] {
    return applyChanges(this.#rtnetlink, this.#wireguard, changes, links, {
      expect: (others, indexOf) => this.#echoes.expect(others, indexOf, performance.now()),
      forget: (others, indexOf) => this.#echoes.forget(others, indexOf),
    });
  }

  routesTo(destinations: readonly Ip[]): readonly (Route | undefined)[] {
    const outcomes = this.#rtnetlink.socket.transact(
      destinations.map((destination) => getRoute(destination)),
    );
    return outcomes.map(({ error, replies }) => {
      const reply = replies[0];
      return error || !reply ? undefined : decodeRoute(reply.payload);
    });
  }

  readSysctl(key: string): string | undefined {
    return readSysctl(key, this.#procSys);
  }

  writeSysctl(key: string, value: string): void {
    writeSysctl(key, value, this.#procSys);
  }

  run(argv: readonly string[], input?: string): Promise<CommandResult> {
    return runCommand(argv, input);
  }

  legacyFingerprint(family: 4 | 6, table: string): string | undefined {
    return this.#legacy.fingerprint(family, table);
  }

  legacyGlance(family: 4 | 6, table: string): string | undefined {
    return this.#legacy.glance(family, table);
  }

  legacyChains(family: 4 | 6, table: string): ReadonlySet<string> | undefined {
    return this.#legacy.chains(family, table);
  }

  wireguardGlance(index: number): WireguardGlance | undefined {
    const glance = this.#wireguard.glance(index);
    return glance && { fingerprint: glance.fingerprint, whereabouts: () => whereabouts(glance.decode()) };
  }

  async watch(listener: (event: KernelEvent) => void): Promise<Disposable> {
    const onResync = (): void => {
      this.#echoes.clear();
      listener({ kind: 'overrun' });
    };
    const onError = (error: unknown): void => listener({ kind: 'deaf', error });
    using stack = new DisposableStack();
    const monitor = async (
      protocol: number,
      groups: readonly number[],
      own: number,
      decode: (message: NlMessage) => KernelEvent | undefined,
    ): Promise<void> => {
      const onMessages = (messages: readonly NlMessage[]): void => {
        for (const message of messages) {
          if (this.#echoes.isEcho(message, performance.now())) continue;
          const event = decode(message);
          if (event) listener(event);
        }
      };
      stack.use(
        await NetlinkMonitor.open({
          protocol,
          groups,
          // What this object did itself comes back with its own port number.
          filter: notFrom([own]),
          receiveBuffer: EVENT_BUFFER,
          onResync,
          onMessages,
          onError,
        }),
      );
    };
    await monitor(NETLINK.ROUTE, ROUTE_GROUPS, this.#rtnetlink.socket.portId, decodeRouteEvent);
    await monitor(NETLINK.NETFILTER, [NFTABLES_GROUP], this.#netfilter.portId, decodeNftablesEvent);
    return stack.move();
  }

  [Symbol.dispose](): void {
    this.#rtnetlink[Symbol.dispose]();
    this.#netfilter[Symbol.dispose]();
    this.#wireguard[Symbol.dispose]();
    this.#legacy[Symbol.dispose]();
  }

  #readWireguard(links: readonly Link[], indexes: readonly number[]): ObservedWireguard[] {
    const found: ObservedWireguard[] = [];
    for (const { index, kind } of links) {
      if (kind?.kind !== 'other' || kind.name !== 'wireguard' || !indexes.includes(index)) continue;
      const device = this.#wireguard.device(index);
      if (device) found.push(observedWireguard(index, device, Date.now()));
    }
    return found;
  }

  /** A device that went meanwhile has nothing on it. */
  #on<T>(index: number, read: (index: number) => readonly T[]): readonly T[] {
    try {
      return read(index);
    } catch (error) {
      if (isNetlinkError(error, 'ENODEV', 'EINVAL')) return [];
      throw error;
    }
  }
}
