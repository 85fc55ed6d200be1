/**
 * The network agent: keeps this node's part of the pod network as the registry's leases say it should be.
 *
 * What happens is always the same: something (a lease, an event of the kernel, the clock) marks a part of the work as
 * dirty; the loop reads the kernel, compares, and sends the difference.
 */

import type { NetConf } from '../../shared/config/net-conf.ts';
import type { Clock, Timer } from '../../shared/daemon/clock.ts';
import { Relaxer } from '../../shared/daemon/relaxer.ts';
import { Timers } from '../../shared/daemon/timers.ts';
import { WorkLoop } from '../../shared/daemon/work-loop.ts';
import type { Logger } from '../../shared/log/logger.ts';
import type { NodeRegistry, WantedSubnets } from '../../shared/store/registry.ts';
import type { Backend } from './backends/backend.ts';
import { createBackend } from './backends/registry.ts';
import type { KernelEvent } from './kernel/event.ts';
import type { Kernel } from './kernel/kernel.ts';
import { KernelListener } from './kernel/listener.ts';
import { Membership, type MembershipChange } from './leases/membership.ts';
import { type AgentState, readState, StateWriter, usableState } from './leases/state-file.ts';
import { dirtyParts, PARTS, type Part } from './loop/dirty.ts';
import { Lag } from './loop/lag.ts';
import { LagWindow } from './loop/lag-window.ts';
import { Repairs } from './loop/repairs.ts';
import { type AgentMetrics, agentMetrics, type PeersByState } from './metrics.ts';
import type { SyncResult } from './network-sync.ts';
import { NodeWork } from './node-work.ts';
import type { AgentOptions } from './options.ts';
import { agentStatus } from './report.ts';
import type { AgentStatus } from './status.ts';
import { parseSubnets } from './subnet-env.ts';
import { wireguardKey } from './wireguard-key-file.ts';

/**
 * Legacy iptables and WireGuard's peers send no events: they are looked at this often (ms), so that a repair is done
 * within a second. Where there are none yet it is less often: each look wakes the processor up, which costs more than the look.
 */
const CANARY = { some: 500, none: 700 } as const;
/** Everything is compared this often (ms) even if nothing told of a change. */
const FULL_RESYNC = 60_000;

/** Nodes may join and leave a hundred times a second; each costs about a millisecond. */
const PEERS_SPACING = 2;

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
  readonly #startedAt: number;
  readonly #backend: Backend;
  readonly #timers: Timers;
  readonly #relaxer: Relaxer;
  readonly #repairs: Repairs;
  readonly #work: NodeWork;
  readonly #loop: WorkLoop<Part>;
  readonly #listener: KernelListener;
  readonly #membership: Membership;
  readonly #state: StateWriter;
  #ready = false;
  readonly #lag = new Lag<Part>();
  readonly #lags = new LagWindow();
  #putOff: { readonly timer: Timer; readonly at: number } | undefined;

  /** @throws NetConfError for a backend that is not built or wrong options of it */
  constructor(parts: AgentParts) {
    const { kernel, clock, log, options, netConf } = parts;
    this.#parts = parts;
    this.#startedAt = clock.now();
    this.#backend = createBackend(netConf.backend, {
      networks: {
        ...(netConf.ipv4 && { v4: netConf.ipv4.network }),
        ...(netConf.ipv6 && { v6: netConf.ipv6.network }),
      },
      wireguardKey: () => wireguardKey(options.wireguardKeyFile),
    });
    this.metrics = agentMetrics({
      peers: () => this.#peersByState(),
      ready: () => this.#ready,
      connected: () => this.#membership.health.connected,
      leaseEnd: () => this.#membership.own?.expiresAt ?? 0,
    });
    this.#timers = new Timers(clock, log);
    this.#relaxer = new Relaxer(
      this.#timers,
      () => parts.relax?.(),
      () => clock.monotonic(),
    );
    this.#repairs = new Repairs({
      clock,
      log,
      count: (kind) => this.metrics.repaired(kind),
      onPutOff: (waitMs) => this.#lookAgainIn(waitMs),
    });
    const statePath = `${options.stateDir}/agent.json`;
    const state = readState(statePath, options.node, log);
    this.#work = new NodeWork({
      kernel,
      clock,
      log,
      options,
      netConf,
      backend: this.#backend,
      repairs: this.#repairs,
      formerDevices: state.devices ?? [],
      formerIptables: state.iptables ?? false,
      lease: () => this.#membership.own,
      peers: () => (this.#membership.peersKnown ? this.#membership.peers : undefined),
      peersComplete: () => this.#membership.listed,
      mark: (...dirty) => this.#loop.mark(...dirty),
      onUnderlay: () => this.#membership.publish(),
      onSynced: (result) => this.#synced(result),
      onFormerRulesGone: () => this.#state.touch('change'),
      onReady: () => this.#becameReady(),
    });
    this.#loop = new WorkLoop({
      clock,
      log,
      parts: this.#work.parts,
      spacing: { peers: PEERS_SPACING },
      onError: (part) => this.metrics.failed(part),
      onDone: (part, startedAt) => this.#dealtWith(part, startedAt),
    });
    this.#listener = new KernelListener({
      kernel,
      timers: this.#timers,
      log,
      onEvent: (event) => this.#onEvent(event),
    });
    this.#membership = new Membership({
      registry: parts.registry,
      clock,
      log: log.child('registry'),
      node: options.node,
      info: (before) => this.#work.nodeInfo(before, parts.instance),
      wanted: () => {
        const { subnet, subnetV6 } = state.own ?? {};
        return { ...this.#writtenSubnets(), ...(subnet && { subnet }), ...(subnetV6 && { subnetV6 }) };
      },
      renewMarginMs: options.lease.renewMarginMs,
      known: usableState(state, netConf),
      onChange: (kind) => this.#membersChanged(kind),
    });
    const content = (): AgentState => ({
      ...this.#membership.state,
      devices: this.#work.network.ownDevices,
      ...(this.#work.formerRules.hasIptables && { iptables: true }),
    });
    this.#state = new StateWriter(statePath, options.node, content, clock, log);
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** Why it is not ready, or what is failing. */
  get problems(): readonly string[] {
    return this.status().problems;
  }

  /** Works until the signal is aborted. Devices, routes, rules and the lease stay as they are. */
  async run(signal: AbortSignal): Promise<void> {
    const { options, kernel } = this.#parts;
    try {
      if (options.repair) await this.#listener.start();
      this.#loop.mark(...PARTS);
      if (options.repair) this.#lookRegularly();
      await this.#membership.run(signal);
    } finally {
      this.#timers[Symbol.dispose]();
      this.#listener[Symbol.dispose]();
      this.#loop[Symbol.dispose]();
      this.#work[Symbol.dispose]();
      this.#state[Symbol.dispose]();
      kernel[Symbol.dispose]();
    }
  }

  /** Resolves when the loop has nothing to do; for tests. */
  idle(): Promise<void> {
    return this.#loop.idle();
  }

  status(): AgentStatus {
    const { options, netConf, version, clock } = this.#parts;
    return agentStatus({
      options,
      netConf,
      version,
      startedAt: this.#startedAt,
      ready: this.#ready,
      waitingFor: PARTS.filter((part) => !this.#work.isDone(part)),
      failing: PARTS.filter((part) => this.#loop.failing(part)),
      underlays: this.#work.underlays,
      backend: this.#backend,
      membership: this.#membership,
      network: this.#work.network,
      repairs: this.#repairs.counts,
      lag: this.#lags.summary,
      rules: this.#work.rules.backend,
      evidence: this.#work.evidence(),
      now: clock.now(),
      forwardAccepts: this.#work.guard.places,
    });
  }

  /** What subnet.env says, of a former run or of flanneld's. A wish only: one that cannot be read is no reason to wait. */
  #writtenSubnets(): WantedSubnets {
    try {
      return parseSubnets(this.#work.subnetFile.read() ?? '');
    } catch (error) {
      this.#parts.log.warn('the subnet file cannot be read', { path: this.#work.subnetFile.path, error });
      return {};
    }
  }

  #lookRegularly(): void {
    const { rules: settings } = this.#parts.options;
    const { rules } = this.#work;
    this.#timers.every(FULL_RESYNC, () => this.#loop.mark(...PARTS));
    this.#timers.every(settings.resyncMs, () => {
      if (this.#work.isDone('rules') && rules.mayDiffer()) this.#loop.mark('rules');
    });
    this.#lookAtSilent(CANARY.some);
  }

  /** At what sends no events, in that many milliseconds and from then on. */
  #lookAtSilent(wait: number): void {
    const { rules, guard, network } = this.#work;
    this.#timers.after(wait, () => {
      const isThere = rules.variant === 'legacy' || guard.seesLegacy || network.hasWireguard;
      this.#lookAtSilent(isThere ? CANARY.some : CANARY.none);
      // Most often it is what the agent did itself: no event that anybody waited for.
      if (this.#work.isDone('network') && network.wireguardChanged()) this.#loop.mark('network');
      if (this.#work.isDone('rules') && rules.changedSilently()) this.#happened(['rules'], wait);
      if (!this.#parts.options.rules.forward) return;
      if (this.#work.isDone('forward') && guard.legacyChanged()) this.#happened(['forward'], wait);
    });
  }

  #peersByState(): PeersByState {
    const { leases, carried } = this.#membership.peers;
    // One that is unreachable by one family counts once.
    const unreachable = new Set(this.#work.network.skipped.map(({ node }) => node)).size;
    return { programmed: Math.max(0, leases.length - unreachable - carried), unreachable, carried };
  }

  #becameReady(): void {
    const { clock, log, onReady } = this.#parts;
    this.#ready = true;
    log.info('ready', {
      peers: this.#membership.peers.leases.length,
      after_ms: Math.round(clock.now() - this.#startedAt),
    });
    onReady?.();
    // What the start left behind would be the highest peak, together with the state file's text, a moment later.
    this.#parts.relax?.();
    this.#relaxer.started();
  }

  #synced({ durationMs, changes, deviceTouched }: SyncResult): void {
    this.metrics.programmed(durationMs, changes);
    this.#relaxer.worked(changes);
    if (deviceTouched) this.#state.touch('change');
  }

  #membersChanged(what: MembershipChange): void {
    this.#state.touch(what === 'renewal' ? what : 'change');
    if (what === 'peers') this.#happened(['peers']);
    if (what === 'own') this.#happened(['network', 'rules', 'subnet-file']);
  }

  #onEvent(event: KernelEvent): void {
    if (event.kind === 'overrun') this.metrics.overrun();
    const parts = dirtyParts(event, this.#work.interests);
    if (parts.length === 0) return;
    this.#happened(parts);
  }

  /** @param ago how many milliseconds ago at the most */
  #happened(parts: readonly Part[], ago = 0): void {
    this.#lag.event(parts, this.#parts.clock.monotonic() - ago);
    this.#loop.mark(...parts);
  }

  #dealtWith(part: Part, startedAt: number): void {
    const lag = this.#lag.done(part, startedAt, this.#parts.clock.monotonic());
    if (lag === undefined) return;
    this.#lags.add(lag);
    this.metrics.lag(lag);
  }

  /** A repair was put off: one look at everything when the first of them is due. */
  #lookAgainIn(waitMs: number): void {
    const at = this.#parts.clock.monotonic() + waitMs;
    if (this.#putOff && this.#putOff.at <= at) return;
    this.#putOff?.timer.cancel();
    const timer = this.#timers.after(waitMs, () => {
      this.#putOff = undefined;
      this.#loop.mark(...PARTS);
    });
    this.#putOff = { timer, at };
  }
}
