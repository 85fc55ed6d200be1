/**
 * The service proxy: keeps the kernel's translation of services as the source's Services and EndpointSlices say it should be.
 *
 * What happens is always the same: an event changes the model and marks a family as dirty; the loop asks the model which
 * service ports that came to, and hands them to the family's mode. Whatever else depends on services follows when they are
 * programmed.
 */

import type { Clock } from '../../shared/daemon/clock.ts';
import { Relaxer } from '../../shared/daemon/relaxer.ts';
import { Timers } from '../../shared/daemon/timers.ts';
import { WorkLoop } from '../../shared/daemon/work-loop.ts';
import type { Ip } from '../../shared/ip/ip.ts';
import type { Logger } from '../../shared/log/logger.ts';
import { programCache } from './after-boot.ts';
import type { Catalogue } from './catalogue.ts';
import type { ProxyOptions } from './config/options.ts';
import type { FlowTargets } from './conntrack/stale-flows.ts';
import { checkRefused, starting } from './events/events.ts';
import type { EventSink } from './events/recorder.ts';
import { FamilyProgrammer, type Run } from './family-programmer.ts';
import { FollowUp } from './follow-up.ts';
import { ForeignWatches } from './foreign-watches.ts';
import { ProxyHealth } from './health/proxy-health.ts';
import { ServiceChecks } from './health/service-checks.ts';
import { familyLabel, type ProxyMetrics, proxyMetrics } from './metrics.ts';
import type { Family } from './model/endpoint.ts';
import type { ModeKit } from './modes/kit.ts';
import { NodeSettings } from './settings.ts';
import type { Changes, Projections, Source, SourceEvents } from './sources/source.ts';
import { NodeCache, readNodeCache } from './state/node-cache.ts';
import type { ProgrammedModes } from './state/programmed-modes.ts';
import { type LastSync, SyncRecord } from './sync-record.ts';

const FAMILIES: readonly Family[] = [4, 6];

/** What the Node and ServiceCIDRs say is waited for so long (ms) after the lists: a change of them is a mode made anew. */
const PATIENCE = 2000;

/** So many changed elements or lines leave a megabyte or two behind: then memory is given back, once nothing follows. */
const MUCH = 1000;

/** After so long (ms) everything is compared with the kernel, whoever has said what, as kube-proxy does (pkg/proxy/util, FullSyncPeriod). */
const COMPARE_PERIOD = 3_600_000;

type Part = 'v4' | 'v6' | 'follow-up' | 'in-step';
const PART_OF: Readonly<Record<Family, Part>> = { 4: 'v4', 6: 'v6' };

export interface ServiceProxyParts {
  readonly options: ProxyOptions;
  readonly clock: Clock;
  readonly log: Logger;
  readonly catalogue: Catalogue;
  readonly kit: ModeKit;
  readonly programmed: ProgrammedModes;
  /** Made with what it tells its events to. */
  readonly source: (events: SourceEvents<unknown, unknown>, project: Projections<unknown, unknown>) => Source;
  /** Deletes stale flows; @returns how many. @throws whatever the kernel says */
  readonly deleteStaleFlows: (targets: FlowTargets) => number;
  /** The node has addresses of a family, or may have; without, nobody waits for its services. */
  readonly hasFamily?: (family: Family) => boolean;
  /** The node's own addresses. */
  readonly localAddresses: () => readonly Ip[];
  /** Where what this node's services were is kept, and which boot this is. */
  readonly cache: { readonly path: string; readonly boot: string };
  readonly version: string;
  /** Metrics that are told with the proxy's. */
  readonly moreMetrics?: readonly { expose(): Promise<string> }[];
  /** Where Events can be told. */
  readonly events?: EventSink;
  /** Called once, when services are programmed from their source; what another mode left behind may go then. */
  readonly onReady?: () => void;
  /** Called when much was programmed: a moment to give memory back. */
  readonly relax?: () => void;
}

export class ServiceProxy {
  readonly parts: ServiceProxyParts;
  readonly startedAt: number;
  readonly health: ProxyHealth;
  readonly metrics: ProxyMetrics;
  readonly checks: ServiceChecks;
  readonly settings: NodeSettings;
  /** Whose ports may be taken. Who opens them says so here. */
  readonly servers: { healthz?: { readonly listens: boolean }; metrics?: { readonly listens: boolean } } = {};
  readonly #source: Source;
  readonly #timers: Timers;
  readonly #loop: WorkLoop<Part>;
  readonly #families: ReadonlyMap<Family, FamilyProgrammer>;
  readonly #cache: NodeCache;
  readonly #followUp: FollowUp;
  /** Both lists are in; then also what decides about settings, or patience is over. */
  #synced = false;
  #patienceIsOver = false;
  readonly #watches: ForeignWatches;
  readonly #record: SyncRecord;
  readonly #relaxer: Relaxer;
  #mayProgram = false;
  #restored = false;
  #sourceError: unknown;

  constructor(parts: ServiceProxyParts) {
    const { options, clock, log, catalogue, kit, programmed, cache, deleteStaleFlows } = parts;
    this.parts = parts;
    this.startedAt = clock.now();
    this.settings = new NodeSettings(options);
    this.health = new ProxyHealth(options.syncPeriod, clock);
    this.#record = new SyncRecord(clock, log, () => this.metrics);
    this.metrics = proxyMetrics({
      pending: () => this.#record.pending,
      programmed: () => ({ IPv4: catalogue.ports(4).size, IPv6: catalogue.ports(6).size }),
      isConnected: () => this.isConnected,
      isReady: () => this.health.isSynced,
      noLocalEndpoints: (family) => catalogue.noLocalEndpoints(family),
      ...(kit.packets && { packets: kit.packets }),
      ...(parts.moreMetrics && { more: parts.moreMetrics }),
    });
    this.metrics.unknownKeys(options.unknownKeys.length);
    this.checks = new ServiceChecks({
      clock,
      log: log.child('health'),
      isHealthy: () => this.health.isHealthy,
      addresses: () => this.settings.checkAddresses(parts.localAddresses),
      onRefused: (service, port, why) => parts.events?.tell(checkRefused(service, options.node, port, why)),
    });
    this.#timers = new Timers(clock, log);
    this.#relaxer = new Relaxer(
      this.#timers,
      () => parts.relax?.(),
      () => clock.monotonic(),
      MUCH,
    );
    this.#watches = new ForeignWatches({
      kit,
      timers: this.#timers,
      log,
      onChange: (family) => this.#foreignChange(family),
    });
    this.#families = new Map(
      FAMILIES.map((family) => {
        const programmer = new FamilyProgrammer({
          kit,
          clock,
          log: log.child(PART_OF[family]),
          ports: catalogue.ports(family),
          beforeFirst: () => programmed.add(options.mode, family),
          onTrouble: (error) => {
            this.metrics.cleanupFailed(family);
            log.warn('what is of no use any more could not be cleared away', { error });
          },
        });
        return [family, programmer];
      }),
    );
    this.#cache = new NodeCache({
      ...cache,
      node: options.node,
      clock,
      log: log.child('cache'),
      content: () => ({
        families: new Map(FAMILIES.map((family) => [family, catalogue.ports(family)])),
        podCidrs: this.settings.node?.podCidrs ?? [],
        addresses: this.settings.node?.addresses ?? [],
      }),
    });
    this.#followUp = new FollowUp({
      catalogue,
      checks: this.checks,
      cache: this.#cache,
      metrics: this.metrics,
      clock,
      log,
      deleteStaleFlows,
    });
    const spacing = options.minSyncPeriod;
    this.#loop = new WorkLoop<Part>({
      clock,
      log,
      parts: {
        v4: () => this.#program(4),
        v6: () => this.#program(6),
        'follow-up': () => this.#followUp.run(),
        'in-step': () => this.#tellInStep(),
      },
      spacing: { v4: spacing, v6: spacing, 'follow-up': 0, 'in-step': 0 },
      onError: (part) => {
        if (part === 'v4' || part === 'v6') this.#failed(part === 'v4' ? 4 : 6);
      },
    });
    catalogue.node(this.settings.node);
    this.#source = parts.source(this.#events(), catalogue.project);
  }

  get isConnected(): boolean {
    return this.#synced && this.#sourceError === undefined;
  }

  /** What is programmed is this node's memory: the source has told nothing yet. */
  get isRestored(): boolean {
    return this.#restored && !this.health.isSynced;
  }

  get sourceError(): unknown {
    return this.#sourceError;
  }

  get sourceLocation(): string {
    return this.#source.location;
  }

  get repairs(): number {
    return this.#record.repairs;
  }

  get lastSync(): LastSync | undefined {
    return this.#record.last;
  }

  family(family: Family): FamilyProgrammer {
    const programmer = this.#families.get(family);
    if (!programmer) throw new Error(`no family ${family}`);
    return programmer;
  }

  /** Whether the last attempt of a family failed. */
  isFailing(family: Family): boolean {
    return this.#loop.failing(PART_OF[family]);
  }

  /** Works until the signal is aborted. What is in the kernel stays there. */
  async run(signal: AbortSignal): Promise<void> {
    const { options, cache, log, events, version } = this.parts;
    events?.tell(starting(options.node, options.mode, version));
    try {
      this.#restored = await programCache({
        ...this.parts,
        settings: this.settings,
        families: this.#families,
        read: () => readNodeCache({ ...cache, node: options.node }, log),
      });
      await Promise.all(FAMILIES.map((family) => this.#watches.listen(family)));
      this.#timers.every(options.syncPeriod, () => {
        this.#retryRefused();
        this.checks.moved();
        this.#loop.mark('in-step');
      });
      this.#timers.every(COMPARE_PERIOD, () => {
        for (const family of FAMILIES) this.#foreignChange(family);
      });
      await this.#source.run(signal);
    } finally {
      this.#watches[Symbol.dispose]();
      this.#timers[Symbol.dispose]();
      await this.#loop.finish();
      for (const programmer of this.#families.values()) programmer[Symbol.dispose]();
      this.checks[Symbol.dispose]();
      // What was restored is older than what is on the disk.
      if (this.health.isSynced) await this.#cache.flush();
    }
  }

  /** Resolves when there is nothing to do; for tests. */
  idle(): Promise<void> {
    return this.#loop.idle();
  }

  #events(): SourceEvents<unknown, unknown> {
    const { catalogue, log } = this.parts;
    let told = '';
    return {
      services: (changes: Changes<unknown>) => {
        catalogue.services(changes);
        this.#record.servicesChanged(changes.size);
        this.#happened();
      },
      slices: (changes: Changes<unknown>) => {
        catalogue.slices(changes);
        this.#record.slicesChanged(changes.size);
        this.#happened();
      },
      serviceCidrs: (networks) => {
        this.settings.setServiceCidrs(networks);
        this.#settingsChanged();
      },
      node: (node) => {
        this.settings.setNode(node);
        const { node: last, nodeProblem } = this.settings;
        if (nodeProblem !== undefined) log.warn(nodeProblem);
        this.health.setNode(last?.isEligible ?? true);
        catalogue.node(last);
        this.#settingsChanged();
        this.#happened();
      },
      synced: () => {
        this.#synced = true;
        log.info('the lists are in', { services: catalogue.serviceCount });
        this.#timers.after(PATIENCE, () => {
          this.#patienceIsOver = true;
          this.#begin();
        });
        this.#begin();
      },
      health: (error) => {
        this.#sourceError = error;
        const text = error === undefined ? '' : String(error);
        if (text !== told && text !== '')
          log.warn('the source of services cannot be followed; what is programmed stays', { error });
        if (text === '' && told !== '') log.info('the source of services can be followed again');
        told = text;
      },
    };
  }

  /** The first programming. */
  #begin(): void {
    if (this.#mayProgram || !this.#synced || this.settings.lacksPodNetworks) return;
    if (!this.settings.isTold && !this.#patienceIsOver) return;
    this.#mayProgram = true;
    this.#configure();
    this.#happened();
  }

  #settingsChanged(): void {
    this.#begin();
    if (!this.#mayProgram || this.settings.lacksPodNetworks) return;
    if (this.#configure()) this.#happened();
  }

  /** @returns whether any family's mode is made anew */
  #configure(): boolean {
    let isNew = false;
    for (const [family, programmer] of this.#families)
      if (programmer.configure(this.settings.of(family))) {
        isNew = true;
        this.#comparesAll(family);
      }
    const { localTraffic, nodePorts } = this.settings;
    if (!isNew) return false;
    this.parts.log.info('settings', { local_traffic: localTraffic, node_ports: nodePorts });
    this.checks.moved();
    return true;
  }

  /** Something changed in the model: families that it changes are looked at at once. */
  #happened(): void {
    if (!this.#mayProgram) return;
    const { catalogue, clock } = this.parts;
    const dirty = catalogue.take();
    // Whatever happened before this start is not this program's delay (kube-proxy's rule).
    const isCounted = (at: number): boolean => this.health.isSynced && at > this.startedAt;
    for (const [family, programmer] of this.#families) {
      programmer.changed(dirty.ports.get(family) ?? [], clock.monotonic());
      this.#record.triggered(family, (dirty.triggered.get(family) ?? []).filter(isCounted));
      if (programmer.pending === 0 && programmer.isProgrammed) {
        // It makes no difference here.
        this.#record.inForce(family);
        continue;
      }
      this.health.queued(family);
      this.metrics.queued(family, clock.now());
      this.#loop.mark(PART_OF[family]);
    }
    if (FAMILIES.every((family) => this.family(family).pending === 0)) this.#record.nothingPends();
    if (dirty.services.size === 0) return;
    this.#followUp.services(dirty.services);
    this.#loop.mark('follow-up');
  }

  async #program(family: Family): Promise<void> {
    const run = await this.family(family).run();
    if (run) this.#programmed(family, run);
    this.#upToDate(family);
    if (this.health.isSynced || !FAMILIES.every((one) => this.#isServed(one))) return;
    const { log, clock, onReady, catalogue } = this.parts;
    this.health.synced();
    log.info('ready', {
      services: catalogue.serviceCount,
      after_ms: Math.round(clock.now() - this.startedAt),
    });
    onReady?.();
    this.#relaxer.started();
  }

  #programmed(family: Family, run: Run): void {
    const { catalogue, log, relax } = this.parts;
    this.#record.programmed(family, run);
    this.#relaxer.worked(run.report.changes);
    this.#followUp.programmed(family, run.names);
    this.#loop.mark('follow-up');
    if (FAMILIES.every((one) => this.family(one).pending === 0)) this.#record.nothingPends();
    if (run.kind !== 'full') return;
    log.info('all services programmed', {
      family: familyLabel(family),
      ports: catalogue.ports(family).size,
      changes: run.report.changes,
      ms: Math.round(run.tookMs),
    });
    relax?.();
  }

  #upToDate(family: Family): void {
    this.health.updated(family);
    if (this.family(family).pending > 0) this.health.queued(family);
  }

  #isServed(family: Family): boolean {
    return this.family(family).isProgrammed || (this.isFailing(family) && !this.#isNeeded(family));
  }

  /** A kernel without IPv6 is in nobody's way as long as no service is of it, nor where the node has none. */
  #isNeeded(family: Family): boolean {
    return this.parts.catalogue.ports(family).size > 0 && (this.parts.hasFamily?.(family) ?? true);
  }

  #failed(family: Family): void {
    this.metrics.syncFailed(family, this.parts.options.mode);
    if (this.#isNeeded(family)) {
      this.health.queued(family);
      return;
    }
    this.#upToDate(family);
    // The other one may have been done before, and waited for this one. If it has failed it comes again by itself.
    const other = family === 4 ? 6 : 4;
    if (!this.health.isSynced && this.family(other).isProgrammed) this.#loop.mark(PART_OF[other]);
  }

  #foreignChange(family: Family): void {
    // Before the lists are in nothing is written, and the first programming compares everything.
    if (!this.#mayProgram) return;
    const wait = this.family(family).check();
    if (wait === undefined) return;
    this.#timers.after(wait, () => this.#comparesAll(family));
  }

  /** Has all of a family looked at: it is late, as a change is, when that does not succeed. */
  #comparesAll(family: Family): void {
    this.health.queued(family);
    this.metrics.queued(family, this.parts.clock.now());
    this.#loop.mark(PART_OF[family]);
  }

  /**
   * A family in which nothing happens is in step with its source all the same, and alerts look at when it last was. It is a part of
   * the loop's work: where that hangs, nothing is told.
   */
  #tellInStep(): void {
    for (const [family, programmer] of this.#families)
      if (programmer.isUpToDate && !this.isFailing(family))
        this.metrics.inStep(family, this.parts.clock.now());
  }

  /** What the kernel refused it may take by now. */
  #retryRefused(): void {
    for (const [family, programmer] of this.#families) {
      if (programmer.refused.size === 0) continue;
      programmer.changed(programmer.refused.keys(), this.parts.clock.monotonic());
      this.#loop.mark(PART_OF[family]);
    }
  }
}
