/** The agent's metrics. */

import { Metrics } from '../../shared/metrics/metrics.ts';
import type { RepairKind } from './loop/repairs.ts';

/** Where numbers come from that are looked up at each scrape. */
export interface MetricSources {
  readonly peers: () => PeersByState;
  readonly ready: () => boolean;
  readonly connected: () => boolean;
  /** Milliseconds since the epoch; 0 without a lease. */
  readonly leaseEnd: () => number;
}

/** Each peer counts once. */
export interface PeersByState {
  /** What it takes to reach them is in the kernel. */
  readonly programmed: number;
  /** Cannot be reached by one family at least. */
  readonly unreachable: number;
  /** The registry has lost them; they are kept until their leases end. */
  readonly carried: number;
}

/** Bounds in seconds: a run that changes nothing takes a millisecond, 5,000 peers take 0.2 s. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

export interface AgentMetrics {
  readonly registry: Metrics;
  repaired(kind: RepairKind): void;
  failed(part: string): void;
  /** A run of the network part, in milliseconds. */
  programmed(ms: number, changes: number): void;
  /** From the first event to the end of the run that dealt with it, in milliseconds. */
  lag(ms: number): void;
  overrun(): void;
}

const PREFIX = 'underpod_agent_';

/** Those of an agent that waits for its datastore: that it is not ready. */
export function startingMetrics(): Metrics {
  const registry = new Metrics(PREFIX);
  addReadiness(registry, { ready: () => false, connected: () => false });
  return registry;
}

function addReadiness(
  registry: Metrics,
  { ready, connected }: Pick<MetricSources, 'ready' | 'connected'>,
): void {
  registry.gauge('ready', '1 once rules are in and subnet.env is written.', [], () => (ready() ? 1 : 0));
  registry.gauge('registry_connected', '1 while the lease is registered and changes are followed.', [], () =>
    connected() ? 1 : 0,
  );
}

/** Makes the metrics; `underpod_agent_…`. */
export function agentMetrics(sources: MetricSources): AgentMetrics {
  const registry = new Metrics(PREFIX);
  registry.gauges('peers', 'Other nodes, each in one state.', 'state', () => ({
    ...sources.peers(),
  }));
  addReadiness(registry, sources);
  registry.gauge(
    'lease_expiry_timestamp_seconds',
    "End of the node's lease.",
    [],
    () => sources.leaseEnd() / 1000,
  );
  const repairs = registry.counter('repairs_total', 'What others changed or deleted and was put right.', [
    'kind',
  ]);
  const errors = registry.counter('errors_total', 'Attempts that failed and are made again.', ['part']);
  const changes = registry.counter('changes_total', 'Changes sent to the kernel for devices and peers.');
  const overruns = registry.counter(
    'event_overruns_total',
    'Times the kernel dropped events and all was read again.',
  );
  const duration = registry.histogram(
    'program_duration_seconds',
    'Reading, comparing and changing devices and peers.',
    BUCKETS,
  );
  const lag = registry.histogram(
    'event_lag_seconds',
    'From an event of kernel or registry to the end of the run.',
    BUCKETS,
  );
  return {
    registry,
    repaired: (kind) => repairs.inc({ kind }),
    failed: (part) => errors.inc({ part }),
    programmed: (ms, count) => {
      duration.observe(ms / 1000);
      changes.inc(count);
    },
    lag: (ms) => lag.observe(ms / 1000),
    overrun: () => overruns.inc(),
  };
}
