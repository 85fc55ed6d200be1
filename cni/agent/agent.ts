/**
 * The network agent: keeps this node's part of the pod network as the registry's leases say it should be.
 *
 * What happens is always the same: something (a lease, an event of the kernel, the clock) marks a part of the work as
 * dirty; the loop reads the kernel, compares, and sends the difference.
 */

import type { NetConf } from '../../shared/config/net-conf.ts';
import { type Cidr, containsCidr } from '../../shared/ip/cidr.ts';
import { errorText } from '../../shared/log/format.ts';
import type { Logger } from '../../shared/log/logger.ts';
import type { NodeInfo, NodeLease, NodeRegistry } from '../../shared/store/registry.ts';
import type { Backend } from './backends/backend.ts';
import { createBackend } from './backends/registry.ts';
import type { Clock, Timer } from './clock.ts';
import { planForwarding } from './forwarding.ts';
import type { KernelEvent } from './kernel/event.ts';
import type { Kernel } from './kernel/kernel.ts';
import { Membership } from './leases/membership.ts';
import { readState, StateWriter } from './leases/state-file.ts';
import { dirtyParts, type Interests, PARTS, type Part } from './loop/dirty.ts';
import { Repairs } from './loop/repairs.ts';
import { WorkLoop } from './loop/work-loop.ts';
import { type AgentMetrics, agentMetrics } from './metrics.ts';
import { NetworkSync } from './network-sync.ts';
import type { AgentOptions } from './options.ts';
import { agentStatus } from './report.ts';
import { ForwardGuard } from './rules/foreign/guard.ts';
import { OwnRules } from './rules/own-rules.ts';
import type { PodNetwork } from './rules/own-table.ts';
import type { AgentStatus } from './status.ts';
import { parseSubnets, renderSubnetEnv } from './subnet-env.ts';
import { SubnetFile } from './subnet-file.ts';
import { UnderlayWatch } from './underlay-watch.ts';

/** Legacy iptables sends no events: it is looked at this often (ms). */
const CANARY = 1000;
/** Everything is compared this often (ms) even if nothing told of a change. */
const FULL_RESYNC = 60_000;
/** After so many changes at once, and regularly, memory is given back as soon as that long nothing happened (ms). */
const MANY_CHANGES = 100;
const REST = 1000;
const RELAX_REGULARLY = 600_000;
/** Before listening to the kernel again after that failed (ms). */
const LISTEN_AGAIN = 1000;

export interface AgentParts {
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly registry: NodeRegistry;
  readonly log: Logger;
  readonly options: AgentOptions;
  readonly netConf: NetConf;
  /** Names this node's state directory: see NodeInfo.instance. */
  readonly instance: string;
  readonly version: string;
  /** Called once, when the node's pods can be served. */
  readonly onReady?: () => void;
  /** Called when much work was done and none has followed: the moment to give memory back. */
  readonly relax?: () => void;
}

export class Agent {
  readonly metrics: AgentMetrics;
  readonly #parts: AgentParts;
  readonly #backend: Backend;
  readonly #membership: Membership;
  readonly #underlays: UnderlayWatch;
  readonly #network: NetworkSync;
  readonly #rules: OwnRules;
  readonly #guard: ForwardGuard;
  readonly #subnetFile: SubnetFile;
  readonly #loop: WorkLoop<Part>;
  readonly #repairs: Repairs;
  readonly #repairCounts = new Map<string, number>();
  readonly #state: StateWriter;
  readonly #done = new Set<Part>();
  readonly #startedAt: number;
  readonly #timers = new Set<Timer>();
  #ready = false;
  /** Parameters that were set or found right: one of them that differs was changed by somebody. */
  readonly #sysctls = new Set<string>();
  #listening: Disposable | undefined;
  /** When the first event that is not dealt with yet arrived (monotonic ms). */
  #eventAt: number | undefined;
  #resting: Timer | undefined;
  #putOff: { timer: Timer; at: number } | undefined;

  /** @throws NetConfError for a backend that is not built or wrong options of it */
  constructor(parts: AgentParts) {
    const { kernel, clock, log, options, netConf } = parts;
    this.#parts = parts;
    this.#startedAt = clock.now();
    const families = { v4: netConf.ipv4 !== undefined, v6: netConf.ipv6 !== undefined };
    this.#backend = createBackend(netConf.backend, families);
    this.metrics = agentMetrics({
      peers: () => this.#membership.peers.leases.length,
      carried: () => this.#membership.peers.carried,
      ready: () => this.#ready,
      connected: () => this.#membership.health.connected,
      leaseEnd: () => finiteOr(this.#membership.own?.expiresAt, 0) / 1000,
    });
    this.#repairs = new Repairs({
      clock,
      log,
      count: (kind) => {
        this.metrics.repaired(kind);
        this.#repairCounts.set(kind, (this.#repairCounts.get(kind) ?? 0) + 1);
      },
      onPutOff: (waitMs) => this.#lookAgainIn(waitMs),
    });
    this.#underlays = new UnderlayWatch({ kernel, log, options: options.underlay, families });
    this.#network = new NetworkSync({
      kernel,
      clock,
      log,
      backend: this.#backend,
      repairs: this.#repairs,
      options,
    });
    this.#rules = new OwnRules({
      nftables: kernel.nftables,
      log,
      allowRepair: () => this.#repairs.allow('nftables', 'the own table'),
    });
    this.#guard = new ForwardGuard({
      kernel,
      log,
      allowRepair: (place) => this.#repairs.allow('forward-accept', place),
    });
    this.#subnetFile = new SubnetFile(
      options.subnetFile,
      options.repair ? () => this.#loop.mark('subnet-file') : undefined,
    );
    const statePath = `${options.stateDir}/agent.json`;
    const state = readState(statePath, options.node, log);
    // A lease for another cluster network is good for nothing but a wish.
    const known = state.own && fits(state.own, netConf) ? state : { peers: state.peers };
    this.#membership = new Membership({
      registry: parts.registry,
      clock,
      log: log.child('registry'),
      node: options.node,
      info: (before) => this.#info(before),
      wanted: () => {
        const { subnet, subnetV6 } = state.own ?? {};
        return {
          ...parseSubnets(this.#subnetFile.read() ?? ''),
          ...(subnet && { subnet }),
          ...(subnetV6 && { subnetV6 }),
        };
      },
      renewMarginMs: options.lease.renewMarginMs,
      known,
      onChange: (kind) => this.#membersChanged(kind),
    });
    this.#state = new StateWriter(
      statePath,
      options.node,
      () => ({
        ...(this.#membership.own && { own: this.#membership.own }),
        peers: this.#membership.peers.known,
      }),
      clock,
      log,
    );
    this.#loop = new WorkLoop<Part>({
      clock,
      log,
      parts: {
        underlay: () => this.#doUnderlay(),
        network: () => this.#doNetwork(),
        rules: () => this.#doRules(),
        forward: () => this.#doForward(),
        sysctl: () => this.#doSysctl(),
        'subnet-file': () => this.#doSubnetFile(),
      },
      onError: (part) => this.metrics.failed(part),
    });
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** Works until the signal is aborted. Devices, routes, rules and the lease stay as they are. */
  async run(signal: AbortSignal): Promise<void> {
    const { options, kernel } = this.#parts;
    try {
      if (options.repair) await this.#listen();
      this.#rules.tellOfFlannel();
      this.#loop.mark(...PARTS);
      if (options.repair) {
        this.#every(FULL_RESYNC, () => this.#loop.mark(...PARTS));
        this.#every(options.rules.resyncMs, () => {
          if (this.#done.has('rules') && this.#rules.mayDiffer()) this.#loop.mark('rules');
        });
        if (options.rules.forward) {
          this.#every(CANARY, () => {
            if (this.#done.has('forward') && this.#guard.legacyChanged()) this.#loop.mark('forward');
          });
        }
      }
      await this.#membership.run(signal);
    } finally {
      for (const timer of this.#timers) timer.cancel();
      this.#putOff?.timer.cancel();
      this.#resting?.cancel();
      this.#listening?.[Symbol.dispose]();
      this.#loop[Symbol.dispose]();
      this.#subnetFile[Symbol.dispose]();
      this.#state[Symbol.dispose]();
      kernel[Symbol.dispose]();
    }
  }

  /** Resolves when the loop has nothing to do; for tests. */
  idle(): Promise<void> {
    return this.#loop.idle();
  }

  status(): AgentStatus {
    const { options, netConf, version } = this.#parts;
    return agentStatus({
      options,
      netConf,
      version,
      startedAt: this.#startedAt,
      ready: this.#ready,
      waitingFor: PARTS.filter((part) => !this.#done.has(part)),
      failing: PARTS.filter((part) => this.#loop.failing(part)),
      underlays: this.#underlays.current,
      backend: this.#backend,
      membership: this.#membership,
      network: this.#network,
      repairs: Object.fromEntries(this.#repairCounts),
      forwardAccepts: this.#guard.places,
    });
  }

  #doUnderlay(): void {
    if (this.#underlays.look()) {
      this.#membership.publish();
      this.#loop.mark('network', 'sysctl', 'subnet-file');
    }
    this.#finished('underlay');
  }

  #doNetwork(): void {
    const lease = this.#membership.own;
    if (!lease || !this.#membership.peersKnown || !this.#underlays.complete) return;
    const peers = this.#membership.peers.leases;
    const result = this.#network.sync({ lease, peers, underlays: this.#underlays.current });
    this.metrics.programmed(result.durationMs, result.changes);
    if (this.#eventAt !== undefined) this.metrics.lag(this.#parts.clock.monotonic() - this.#eventAt);
    this.#eventAt = undefined;
    if (result.changes >= MANY_CHANGES) this.#relaxSoon();
    if (result.deviceTouched) {
      // A new device comes with the kernel's own settings; and what the kernel does in consequence of our own change
      // is not heard of.
      for (const key of this.#sysctls)
        if (this.#backend.devices.some((name) => key.includes(name))) this.#sysctls.delete(key);
      this.#loop.mark('sysctl', 'network');
    }
    this.#finished('network');
  }

  #doRules(): void {
    const networks = this.#podNetworks();
    if (!networks) return;
    const { ipMasq, fullyRandom, forward } = this.#parts.options.rules;
    this.#rules.sync({ networks, ipMasq, fullyRandom, forward });
    this.#finished('rules');
  }

  async #doForward(): Promise<void> {
    const { ipv4, ipv6 } = this.#parts.netConf;
    const networks = [ipv4, ipv6].flatMap((family) => family?.network ?? []);
    if (this.#parts.options.rules.forward) await this.#guard.check(networks);
    this.#finished('forward');
  }

  #doSysctl(): void {
    const { kernel, netConf } = this.#parts;
    if (!this.#underlays.complete) return;
    const { v4, v6 } = this.#underlays.current;
    const input = {
      v4: netConf.ipv4 !== undefined,
      v6: netConf.ipv6 !== undefined,
      observed: kernel.readNetwork([]),
      devices: this.#backend.devices,
      underlays: [v4, v6].flatMap((underlay) => underlay?.name ?? []),
    };
    const wanted = planForwarding(input, (key) => kernel.readSysctl(key));
    const allowed = wanted.filter(({ key }) => !this.#sysctls.has(key) || this.#repairs.allow('sysctl', key));
    for (const { key, value } of allowed) {
      kernel.writeSysctl(key, value);
      this.#sysctls.add(key);
    }
    this.#finished('sysctl');
  }

  #doSubnetFile(): void {
    const { netConf, options, log } = this.#parts;
    const lease = this.#membership.own;
    // What CNI plugins read must be true: written last, when pods' packets can travel.
    if (!lease || !this.#done.has('network') || !this.#done.has('rules') || !this.#done.has('forward'))
      return;
    const content = renderSubnetEnv({
      ...(netConf.ipv4 && { network: netConf.ipv4.network }),
      ...(netConf.ipv6 && { networkV6: netConf.ipv6.network }),
      ...(lease.subnet && { subnet: lease.subnet }),
      ...(lease.subnetV6 && { subnetV6: lease.subnetV6 }),
      mtu: this.#backend.podMtu(this.#underlays.current),
      ipMasq: options.rules.ipMasq,
    });
    const isRepair = this.#subnetFile.written === content;
    const written = this.#subnetFile.ensure(
      content,
      () => !isRepair || this.#repairs.allow('subnet-file', options.subnetFile),
    );
    if (written) log.info('subnet file written', { path: options.subnetFile });
    this.#finished('subnet-file');
  }

  #finished(part: Part): void {
    const wasDone = this.#done.has(part);
    this.#done.add(part);
    // The subnet file waits for the others.
    if (!wasDone && part !== 'subnet-file') this.#loop.mark('subnet-file');
    if (this.#ready || !PARTS.every((each) => this.#done.has(each))) return;
    this.#ready = true;
    const { clock, log, onReady } = this.#parts;
    log.info('ready', {
      peers: this.#membership.peers.leases.length,
      after_ms: Math.round(clock.now() - this.#startedAt),
    });
    onReady?.();
    this.#relaxSoon();
    this.#every(RELAX_REGULARLY, () => this.#relaxSoon());
  }

  /** Gives memory back once nothing has happened for a while, and once more when the dust has settled. */
  #relaxSoon(): void {
    const { clock, relax } = this.#parts;
    const then = (ms: number, next?: () => void): void => {
      this.#resting = clock.after(ms, () => {
        this.#resting = undefined;
        relax?.();
        next?.();
      });
    };
    this.#resting?.cancel();
    then(REST, () => then(10 * REST));
  }

  #info(before: Parameters<Backend['publish']>[0]): NodeInfo | undefined {
    const { options, kernel, instance } = this.#parts;
    const { v4, v6 } = this.#underlays.current;
    if (!this.#underlays.complete) return undefined;
    return {
      name: options.node,
      ...(v4 && { publicIp: v4.publicIp }),
      ...(v6 && { publicIpV6: v6.publicIp }),
      backend: this.#backend.publish(before, kernel.readNetwork([])),
      instance,
    };
  }

  /** The cluster's networks with this node's part; `undefined` while there is no lease. */
  #podNetworks(): PodNetwork[] | undefined {
    const lease = this.#membership.own;
    if (!lease) return undefined;
    const { ipv4, ipv6 } = this.#parts.netConf;
    return [
      ...(ipv4 && lease.subnet ? [{ cluster: ipv4.network, node: lease.subnet }] : []),
      ...(ipv6 && lease.subnetV6 ? [{ cluster: ipv6.network, node: lease.subnetV6 }] : []),
    ];
  }

  #membersChanged(kind: 'change' | 'renewal'): void {
    this.#state.touch(kind);
    if (kind === 'renewal') return;
    this.#eventAt ??= this.#parts.clock.monotonic();
    this.#loop.mark('network', 'rules', 'subnet-file');
  }

  async #listen(): Promise<void> {
    this.#listening?.[Symbol.dispose]();
    this.#listening = await this.#parts.kernel.watch((event) => this.#onEvent(event));
  }

  #onEvent(event: KernelEvent): void {
    const { clock, log } = this.#parts;
    if (event.kind === 'overrun') this.metrics.overrun();
    if (event.kind === 'deaf') {
      log.error('events of the kernel cannot be heard; listening again', { error: event.error });
      this.#after(LISTEN_AGAIN, () => {
        this.#listen().catch((error: unknown) => this.#onEvent({ kind: 'deaf', error }));
      });
    }
    const parts = dirtyParts(event, this.#interests());
    if (parts.length === 0) return;
    if (parts.includes('network')) this.#eventAt ??= clock.monotonic();
    this.#loop.mark(...parts);
  }

  #interests(): Interests {
    const { netConf, options } = this.#parts;
    const { v4, v6 } = this.#underlays.current;
    return {
      underlays: this.#underlays.complete ? [v4, v6].flatMap((underlay) => underlay?.index ?? []) : [],
      deviceNames: this.#backend.devices,
      deviceIndexes: this.#network.deviceIndexes,
      clusterNetworks: [netConf.ipv4, netConf.ipv6].flatMap((family) => family?.network ?? []),
      foreignRule: (event) => options.rules.forward && this.#guard.concerns(event),
    };
  }

  /** A repair was put off: one look at everything when the first of them is due. */
  #lookAgainIn(waitMs: number): void {
    const { clock } = this.#parts;
    const at = clock.monotonic() + waitMs;
    if (this.#putOff && this.#putOff.at <= at) return;
    this.#putOff?.timer.cancel();
    const timer = clock.after(waitMs, () => {
      this.#putOff = undefined;
      this.#loop.mark(...PARTS);
    });
    this.#putOff = { timer, at };
  }

  #after(ms: number, callback: () => void): void {
    const timer = this.#parts.clock.after(ms, () => {
      this.#timers.delete(timer);
      try {
        callback();
      } catch (error) {
        this.#parts.log.error('a regular check failed', { error: errorText(error) });
      }
    });
    this.#timers.add(timer);
  }

  #every(ms: number, callback: () => void): void {
    this.#after(ms, () => {
      this.#every(ms, callback);
      callback();
    });
  }
}

/** True if the lease has a subnet of each of the cluster's networks. */
function fits({ subnet, subnetV6 }: NodeLease, { ipv4, ipv6 }: NetConf): boolean {
  const inside = (network: Cidr | undefined, part: Cidr | undefined): boolean =>
    network === undefined ? part === undefined : part !== undefined && containsCidr(network, part);
  return inside(ipv4?.network, subnet) && inside(ipv6?.network, subnetV6);
}

function finiteOr(value: number | undefined, or: number): number {
  return value !== undefined && Number.isFinite(value) ? value : or;
}
