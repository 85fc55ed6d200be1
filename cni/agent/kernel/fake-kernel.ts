/** A kernel in memory for tests: it holds what it is told, and tells of what a test does to it behind one's back. */

import { contains } from '../../../shared/ip/cidr.ts';
import type { Ip } from '../../../shared/ip/ip.ts';
import type { CommandResult } from '../../../shared/iptables/programs.ts';
import type { Route } from '../../../shared/netlink/codec/route.ts';
import { FakeNftables } from '../../../shared/nftables/fake.ts';
import type { Change, ChangeFailure } from '../network/change.ts';
import type { ObservedNetwork } from '../network/observed.ts';
import type { KernelEvent } from './event.ts';
import { FakeNetwork } from './fake-network.ts';
import type { Kernel, WireguardGlance } from './kernel.ts';

/** A program in the fake: what it prints and its exit code, 0 if left out. */
export type FakeProgram = (argv: readonly string[], input: string | undefined) => Partial<CommandResult>;

export class FakeKernel implements Kernel {
  readonly network: FakeNetwork = new FakeNetwork();
  readonly nftables: FakeNftables = new FakeNftables();
  readonly sysctls: Map<string, string> = new Map([
    ['net/ipv4/ip_forward', '0'],
    ['net/ipv4/conf/all/rp_filter', '2'],
    ['net/ipv6/conf/all/forwarding', '0'],
  ]);
  /** Answers of programs, by the first word of the command; others do not exist. */
  readonly programs: Map<string, FakeProgram> = new Map();
  /** Fingerprints of legacy iptables' filter tables. */
  readonly legacy: Map<4 | 6, string> = new Map();
  /** Every change that was carried out. */
  readonly applied: Change[] = [];
  /** Set: the next changes that match are refused. */
  refuse: ((change: Change) => boolean) | undefined;
  disposed = false;
  readonly #listeners = new Set<(event: KernelEvent) => void>();

  readLinks(): Pick<ObservedNetwork, 'links'> {
    return { links: this.readNetwork([]).links };
  }

  readNetwork(devices: readonly string[]): ObservedNetwork {
    const { links, addresses, routes, neighbours, fdb, wireguard } = this.network;
    const indexes = new Set(links.filter((link) => devices.includes(link.name)).map((link) => link.index));
    return {
      links: [...links],
      addresses: [...addresses],
      routes: [...routes],
      neighbours: neighbours.filter((entry) => indexes.has(entry.index)),
      fdb: fdb.filter((entry) => indexes.has(entry.index)),
      wireguard: wireguard.filter((device) => indexes.has(device.index)),
    };
  }

  apply(changes: readonly Change[]): readonly ChangeFailure[] {
    const failures: ChangeFailure[] = [];
    for (const change of changes) {
      try {
        if (this.refuse?.(change)) throw new Error('refused');
        this.network.apply(change);
        this.applied.push(change);
      } catch (error) {
        failures.push({ change, error: error as Error });
      }
    }
    return failures;
  }

  routesTo(destinations: readonly Ip[]): readonly (Route | undefined)[] {
    const routes = [...this.network.routes].sort((a, b) => b.destination.prefix - a.destination.prefix);
    return destinations.map((ip) => {
      const onLink = this.network.addresses.find((address) => contains(address.address, ip));
      const found = routes.find((route) => contains(route.destination, ip));
      if (!onLink || (found && found.destination.prefix > onLink.address.prefix)) return found;
      const destination = { ip, prefix: ip.family === 4 ? 32 : 128 };
      return { destination, oif: onLink.index, table: 254, protocol: 0, scope: 0, type: 1, flags: 0, tos: 0 };
    });
  }

  readSysctl(key: string): string | undefined {
    return this.sysctls.get(key);
  }

  writeSysctl(key: string, value: string): void {
    if (!this.sysctls.has(key)) throw new Error(`no parameter ${key}`);
    this.sysctls.set(key, value);
  }

  async run(argv: readonly string[], input?: string): Promise<CommandResult> {
    const program = this.programs.get(argv[0] ?? '');
    return { stdout: '', stderr: '', ...(program ? { code: 0, ...program(argv, input) } : { code: 127 }) };
  }

  legacyFingerprint(family: 4 | 6, table: string): string | undefined {
    return table === 'filter' ? this.legacy.get(family) : undefined;
  }

  legacyGlance(family: 4 | 6, table: string): string | undefined {
    return this.legacyFingerprint(family, table);
  }

  legacyChains(family: 4 | 6, table: string): ReadonlySet<string> | undefined {
    return this.legacyFingerprint(family, table) === undefined ? undefined : new Set();
  }

  wireguardGlance(index: number): WireguardGlance | undefined {
    const device = this.network.wireguard.find((each) => each.index === index);
    const peers = device?.peers.map(({ handshakeAgeMs: _, rxBytes: _r, txBytes: _t, ...steady }) => ({
      ...steady,
      presharedKey: steady.presharedKey?.reveal(),
    }));
    return (
      device && {
        fingerprint: Bun.inspect({ ...device, peers }, { depth: 9 }),
        whereabouts: () => new Map(device.peers.map((peer) => [peer.publicKey.toHex(), peer])),
      }
    );
  }

  async watch(listener: (event: KernelEvent) => void): Promise<Disposable> {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** How many are listening. */
  get listeners(): number {
    return this.#listeners.size;
  }

  /** Tells the listeners. */
  emit(event: KernelEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }

  [Symbol.dispose](): void {
    this.disposed = true;
  }
}
