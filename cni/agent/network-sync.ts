/** Brings devices and peers in the kernel to what the leases say. */

import type { Clock } from '../../shared/daemon/clock.ts';
import { Pace } from '../../shared/daemon/pace.ts';
import { networkOf } from '../../shared/ip/cidr.ts';
import type { Logger } from '../../shared/log/logger.ts';
import type { NodeLease } from '../../shared/store/registry.ts';
import type { Backend, Underlays } from './backends/backend.ts';
import type { SkippedPeer } from './backends/peer-table.ts';
import { directRoutes } from './direct-routes.ts';
import type { Kernel, WireguardGlance } from './kernel/kernel.ts';
import { sameButExpiry } from './leases/lease-json.ts';
import type { PeerView } from './leases/peer-set.ts';
import type { Repairs } from './loop/repairs.ts';
import { type Change, type ChangeFailure, describeObject, objectOf } from './network/change.ts';
import type { DesiredDevice, DesiredRoute, DesiredWireguardPeer } from './network/desired.ts';
import type { ObservedNetwork } from './network/observed.ts';
import { planNetwork } from './network/plan.ts';
import { planPeerChange } from './network/plan-peer.ts';
import { WireguardMoves } from './network/wireguard-moves.ts';
import type { AgentOptions } from './options.ts';
import { WantedNetwork } from './wanted-network.ts';

/**
 * Metric of the black hole for addresses of the node's own subnet that no pod has: worse than the route of the bridge
 * that the pods are on, which has the kernel's default.
 */
const BLACKHOLE_METRIC = 4096;

export interface NetworkSyncOptions {
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly log: Logger;
  readonly backend: Backend;
  readonly repairs: Repairs;
  readonly options: AgentOptions;
  /** Names of the devices that a former run had made or taken over. */
  readonly formerDevices: readonly string[];
}

export interface NetworkInput {
  readonly lease: NodeLease;
  readonly peers: PeerView;
  /** Of the peers, as they are now. */
  readonly version: number;
  readonly underlays: Underlays;
  /** The peers are all that there are: what the kernel holds besides is stale. */
  readonly complete: boolean;
}

export interface SyncResult {
  readonly durationMs: number;
  /** How many changes were sent. */
  readonly changes: number;
  /** A device was made or changed. */
  readonly deviceTouched: boolean;
}

export class NetworkSync {
  readonly #options: NetworkSyncOptions;
  #ownDevices: readonly string[];
  #deviceIndexes: ReadonlySet<number> = new Set();
  #skipped: readonly SkippedPeer[] = [];
  /** Which of them the log has. */
  #told: ReadonlySet<string> = new Set();
  /** What was wanted when everything was last in order: the same again means that a difference is a repair. */
  #settled: NetworkInput | undefined;
  #wanted: { readonly input: NetworkInput; readonly network: WantedNetwork } | undefined;
  /** Index by name, as last seen. */
  #links: ReadonlyMap<string, number> = new Map();
  /** What WireGuard's devices were like at the last look, by index. */
  #wireguard: ReadonlyMap<number, WireguardGlance | undefined> = new Map();
  readonly #wireguardMoves = new WireguardMoves();
  readonly #wireguardPace: Pace;
  #last: { readonly at: number; readonly durationMs: number; readonly changes: number } | undefined;

  constructor(options: NetworkSyncOptions) {
    this.#options = options;
    this.#wireguardPace = new Pace(() => options.clock.monotonic());
    this.#ownDevices = options.formerDevices;
  }

  /** Names of the devices that this run and former ones made or took over, as long as they may be there. */
  get ownDevices(): readonly string[] {
    return this.#ownDevices;
  }

  /** Indexes of the backend's devices, as last seen. */
  get deviceIndexes(): ReadonlySet<number> {
    return this.#deviceIndexes;
  }

  /** The devices as they should be. */
  get devices(): readonly DesiredDevice[] {
    return this.#wanted?.network.network.devices ?? [];
  }

  /** The routes as they should be. */
  get routes(): readonly DesiredRoute[] {
    return this.#wanted?.network.network.routes ?? [];
  }

  /** The peers of WireGuard's devices as they should be. */
  get wireguardPeers(): readonly DesiredWireguardPeer[] {
    return this.#wanted?.network.network.wireguardPeers ?? [];
  }

  /** Peers that cannot be reached, and why. */
  get skipped(): readonly SkippedPeer[] {
    return this.#skipped;
  }

  /** The last run; `at` in ms since the epoch. */
  get last(): { readonly at: number; readonly durationMs: number; readonly changes: number } | undefined {
    return this.#last;
  }

  /** One run. @throws Error when the kernel refused some of the changes; the others are made */
  sync(input: NetworkInput): SyncResult {
    const { kernel, clock, log, backend } = this.#options;
    const start = clock.monotonic();
    const found = kernel.readNetwork(backend.devices);
    const observed = { ...found, wireguard: this.#wireguardMoves.unheard(found.wireguard) };
    const { network } = this.#wantedFor(input, observed);
    const retired = this.#ownDevices.filter((name) => !backend.devices.includes(name));
    const all = planNetwork({ ...network, retired, known: this.#deviceIndexes }, observed);
    const planned = input.complete ? all : withoutRemovals(all);
    const changes = this.#settled && same(this.#settled, input) ? this.#allowed(planned) : planned;
    for (const change of changes) {
      if (change.kind === 'delete-device')
        log.warn('device is deleted', { device: change.name, why: change.why });
    }
    const failures = changes.length === 0 ? [] : kernel.apply(changes);
    const deviceTouched = changes.some((change) => objectOf(change) === 'device');
    this.#rememberDevices(deviceTouched ? kernel.readLinks() : observed);
    const result = this.#done(start, changes, failures, deviceTouched);
    this.#settled = input;
    // From now on another one of a retired name is somebody else's.
    this.#ownDevices = backend.devices;
    return result;
  }

  /**
   * As `sync`, but by what has changed of the peers since the last run, without a look at the kernel: whatever somebody
   * else did to it has an event of its own. `undefined` where only a look at everything will do.
   *
   * @throws Error when the kernel refused some of the changes; the next run looks at everything
   */
  syncPeers(input: NetworkInput): SyncResult | undefined {
    const { kernel, clock } = this.#options;
    const settled = this.#settled;
    if (!settled || !this.#wanted || !sameBase(settled, input)) return undefined;
    const start = clock.monotonic();
    const { network } = this.#wanted;
    const { before, after } = network.update(input.peers);
    this.#wanted = { input, network };
    this.#settled = undefined;
    const changes = planPeerChange(before, after, (device) => this.#links.get(device));
    const failures = changes.length === 0 ? [] : kernel.apply(changes, this.#links);
    const result = this.#done(start, changes, failures, false);
    this.#settled = input;
    this.#tellSkipped(network.skipped);
    return result;
  }

  get hasWireguard(): boolean {
    return this.devices.some(({ kind }) => kind === 'wireguard');
  }

  /**
   * True if WireGuard's devices or peers have changed since the last look, by whom ever: of them the kernel sends no event.
   * Looks less often where that takes long: the more peers, the slower the processor.
   */
  wireguardChanged(): boolean {
    const { kernel } = this.#options;
    const devices = this.devices.filter(({ kind }) => kind === 'wireguard');
    if (devices.length === 0 || !this.#wireguardPace.due) return false;
    const indexes = devices.flatMap(({ name }) => this.#links.get(name) ?? []);
    const before = this.#wireguard;
    this.#wireguard = this.#wireguardPace.look(
      () => new Map(indexes.map((index) => [index, kernel.wireguardGlance(index)])),
    );
    let isChanged = false;
    for (const [index, glance] of this.#wireguard) {
      const last = before.get(index);
      if (before.has(index) && last?.fingerprint === glance?.fingerprint) continue;
      isChanged = true;
      if (last && glance) this.#wireguardMoves.notice(index, last.whereabouts(), glance.whereabouts());
    }
    return isChanged;
  }

  #done(
    start: number,
    changes: readonly Change[],
    failures: readonly ChangeFailure[],
    deviceTouched: boolean,
  ): SyncResult {
    const { clock, log } = this.#options;
    const durationMs = clock.monotonic() - start;
    this.#last = { at: clock.now(), durationMs, changes: changes.length };
    if (changes.length > 0)
      log.debug('network programmed', { changes: changes.length, ms: Math.round(durationMs) });
    const [failure] = failures;
    if (!failure) return { durationMs, changes: changes.length, deviceTouched };
    const more = failures.length > 1 ? ` (and ${failures.length - 1} more)` : '';
    throw new Error(`the kernel refused ${describeObject(failure.change)}${more}`, { cause: failure.error });
  }

  #wantedFor(input: NetworkInput, observed: ObservedNetwork): WantedNetwork {
    const { backend, options } = this.#options;
    // Who is on the same link may change without any lease changing.
    if (this.#wanted && sameBase(this.#wanted.input, input) && !backend.usesDirect) {
      const { network } = this.#wanted;
      network.update(input.peers);
      this.#wanted = { input, network };
    } else {
      const direct = backend.usesDirect ? directRoutes(observed, backend.devices) : () => undefined;
      const { lease, underlays, peers } = input;
      const ownRoutes = options.rules.blackhole ? blackholes(lease) : [];
      const network = new WantedNetwork(backend, { lease, underlays, direct }, peers, ownRoutes);
      this.#wanted = { input, network };
    }
    this.#tellSkipped(this.#wanted.network.skipped);
    return this.#wanted.network;
  }

  #tellSkipped(skipped: readonly SkippedPeer[]): void {
    const told = new Set<string>();
    for (const { node, why } of skipped) {
      const key = `${node} ${why}`;
      if (!this.#told.has(key)) this.#options.log.warn('a node cannot be reached', { node, why });
      told.add(key);
    }
    this.#told = told;
    this.#skipped = skipped;
  }

  #allowed(changes: readonly Change[]): Change[] {
    // An object that is deleted to be made again is one repair: half of it would be worse than none.
    const answers = new Map<string, boolean>();
    return changes.filter((change) => {
      const [kind, object] = [objectOf(change), describeObject(change)];
      const key = `${kind} ${object}`;
      const answer = answers.get(key) ?? this.#options.repairs.allow(kind, object);
      answers.set(key, answer);
      return answer;
    });
  }

  #rememberDevices(observed: Pick<ObservedNetwork, 'links'>): void {
    this.#links = new Map(observed.links.map(({ name, index }) => [name, index]));
    const indexes = this.#options.backend.devices.map((name) => this.#links.get(name));
    this.#deviceIndexes = new Set(indexes.flatMap((index) => index ?? []));
  }
}

/** Without what removes peers' entries, but for a route that is in the way of a wanted one. */
function withoutRemovals(changes: readonly Change[]): Change[] {
  const wanted = new Set<string>();
  for (const change of changes) if (change.kind === 'set-route') wanted.add(describeObject(change));
  return changes.filter((change) => {
    switch (change.kind) {
      case 'delete-neighbour':
      case 'delete-fdb':
      case 'delete-wireguard-peer':
        return false;
      case 'delete-route':
        return wanted.has(describeObject(change));
      default:
        return true;
    }
  });
}

function blackholes({ subnet, subnetV6 }: NodeLease): DesiredRoute[] {
  return [subnet, subnetV6]
    .filter((cidr) => cidr !== undefined)
    .map((cidr) => ({ destination: networkOf(cidr), onlink: false, metric: BLACKHOLE_METRIC }));
}

function same(a: NetworkInput, b: NetworkInput): boolean {
  return sameBase(a, b) && a.version === b.version;
}

/** True if the two differ in their peers at most. */
function sameBase(a: NetworkInput, b: NetworkInput): boolean {
  return sameButExpiry(a.lease, b.lease) && a.underlays === b.underlays && a.complete === b.complete;
}
