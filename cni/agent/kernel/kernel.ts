/** The kernel as the agent needs it: one seam, implemented by Linux and by a fake that behaves. */

import type { Ip } from '../../../shared/ip/ip.ts';
import type { IptablesMachine } from '../../../shared/iptables/programs.ts';
import type { Route } from '../../../shared/netlink/codec/route.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import type { Change, ChangeFailure } from '../network/change.ts';
import type { ObservedNetwork } from '../network/observed.ts';
import type { Whereabouts } from '../network/wireguard-moves.ts';
import type { KernelEvent } from './event.ts';

export interface Kernel extends Disposable, IptablesMachine {
  /**
   * Reads links, addresses and the main table's routes; neighbours and forwarding entries of the named devices that
   * exist. @throws NetlinkError
   */
  readNetwork(devices: readonly string[]): ObservedNetwork;

  /** Links alone: with thousands of peers their routes take 50 ms to read. @throws NetlinkError */
  readLinks(): Pick<ObservedNetwork, 'links'>;

  /**
   * Carries changes out in order, the device changes in one batch, all others in another. A change that fails does
   * not stop those behind it. What a deletion finds gone already is no failure.
   *
   * @param links indexes by name, where the caller knows them: of names that are missing, the kernel is asked
   */
  apply(changes: readonly Change[], links?: ReadonlyMap<string, number>): readonly ChangeFailure[];

  /** The route that the kernel would take to each destination; `undefined` where it has none. */
  routesTo(destinations: readonly Ip[]): readonly (Route | undefined)[];

  /** The packet filter of the same namespace. */
  readonly nftables: Nftables;

  /** A parameter such as `net/ipv4/ip_forward`; `undefined` where the kernel has none. */
  readSysctl(key: string): string | undefined;
  /** @throws SyscallError */
  writeSysctl(key: string, value: string): void;

  /**
   * A value that changes whenever the rules of a table of legacy iptables (`filter`, `nat`) change, counters aside;
   * `undefined` while there is no such table.
   */
  legacyFingerprint(family: 4 | 6, table: string): string | undefined;

  /**
   * The same, for whoever asks often: of a table of very many rules it may tell later that a rule was replaced by one of
   * equal size, so that asking takes 2 % of a processor at most.
   */
  legacyGlance(family: 4 | 6, table: string): string | undefined;

  /** WireGuard's link number `index`; `undefined` where there is none. The kernel sends no event for what is in it. */
  wireguardGlance(index: number): WireguardGlance | undefined;

  /**
   * Calls `listener` for changes that others make (never for those made through this object) until disposed of. What
   * is read after the promise has resolved misses nothing.
   */
  watch(listener: (event: KernelEvent) => void): Promise<Disposable>;
}

/** What a WireGuard device is like at the moment. */
export interface WireguardGlance {
  /** Changes when key or port do, or the peers, their keys, networks or endpoints; not with handshakes and counters. */
  readonly fingerprint: string;
  /** Where its peers are at that moment. */
  whereabouts(): Whereabouts;
}
