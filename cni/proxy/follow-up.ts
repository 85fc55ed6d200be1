/** What follows when services have been programmed: stale flows end, health checks open and close, the node's cache is written. */

import type { Clock } from '../../shared/daemon/clock.ts';
import type { Logger } from '../../shared/log/logger.ts';
import type { Catalogue } from './catalogue.ts';
import { FlowTargets, type UdpService } from './conntrack/stale-flows.ts';
import type { ServiceChecks } from './health/service-checks.ts';
import { familyLabel, type ProxyMetrics } from './metrics.ts';
import type { Family } from './model/endpoint.ts';
import type { ServicePortName } from './model/service-port.ts';
import type { NodeCache } from './state/node-cache.ts';

export interface FollowUpOptions {
  readonly catalogue: Catalogue;
  readonly checks: ServiceChecks;
  readonly cache: NodeCache;
  readonly metrics: ProxyMetrics;
  readonly clock: Clock;
  readonly log: Logger;
  /** @returns how many. @throws whatever the kernel says */
  readonly deleteStaleFlows: (targets: FlowTargets) => number;
}

export class FollowUp {
  readonly #options: FollowUpOptions;
  readonly #names: ReadonlyMap<Family, Set<ServicePortName>> = new Map([
    [4, new Set()],
    [6, new Set()],
  ]);
  readonly #services = new Set<string>();

  constructor(options: FollowUpOptions) {
    this.#options = options;
  }

  /** Services whose health check may be another one. */
  services(services: Iterable<string>): void {
    for (const service of services) this.#services.add(service);
  }

  /** Service ports that were programmed; all of a family's where none is named. */
  programmed(family: Family, names: Iterable<ServicePortName> | undefined): void {
    const all = this.#names.get(family);
    if (names) for (const name of names) all?.add(name);
    else for (const { name } of this.#options.catalogue.ports(family)) all?.add(name);
  }

  /** Does what there is to do. @throws whatever the kernel says to the end of flows, which is tried again */
  run(): void {
    const { catalogue, checks, cache } = this.#options;
    for (const service of this.#services) checks.set(service, catalogue.healthCheck(service));
    this.#services.clear();
    let failure: { readonly error: unknown } | undefined;
    for (const [family, names] of this.#names) {
      if (names.size === 0) continue;
      cache.touch();
      try {
        this.#endStaleFlows(family, names);
        names.clear();
      } catch (error) {
        // Without connection tracking over netlink this may go on for days, in which services come and go.
        const ports = catalogue.ports(family);
        for (const name of names) if (!ports.get(name)) names.delete(name);
        failure ??= { error };
      }
    }
    if (failure) throw failure.error;
  }

  #endStaleFlows(family: Family, names: Iterable<ServicePortName>): void {
    const { deleteStaleFlows, clock, metrics, log } = this.#options;
    const targets = new FlowTargets(family, this.#udpServices(family, names));
    if (targets.isEmpty) return;
    const startedAt = clock.monotonic();
    const flows = deleteStaleFlows(targets);
    metrics.conntrack(family, clock.monotonic() - startedAt, flows);
    if (flows > 0) log.debug('stale UDP flows ended', { family: familyLabel(family), flows });
  }

  *#udpServices(family: Family, names: Iterable<ServicePortName>): Iterable<UdpService> {
    const { catalogue } = this.#options;
    const ports = catalogue.ports(family);
    for (const name of names) {
      const port = ports.get(name);
      if (port?.protocol === 'UDP')
        yield { frontends: port.frontends, serving: catalogue.serving(family, name) };
    }
  }
}
