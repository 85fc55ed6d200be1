/** The proxy's metrics: kube-proxy's under its names (pkg/proxy/metrics), and ours. */

import { Metrics } from '../../shared/metrics/metrics.ts';
import type { ModeReport } from './mode.ts';
import type { Family } from './model/endpoint.ts';
import type { ModeKit } from './modes/kit.ts';

/** kube-proxy's for syncs: 1 ms, doubled 14 times; in seconds. */
const SYNC_BUCKETS = Array.from({ length: 15 }, (_, step) => 0.001 * 2 ** step);
/** kube-proxy's for what an endpoint's change took from its cause on. */
const PROGRAMMING_BUCKETS = [
  0.25,
  0.5,
  ...Array.from({ length: 59 }, (_, step) => step + 1),
  ...Array.from({ length: 12 }, (_, step) => 60 + 5 * step),
  ...Array.from({ length: 7 }, (_, step) => 120 + 30 * step),
];
const FAMILIES: readonly Family[] = [4, 6];
/** A change takes milliseconds. */
const EVENT_BUCKETS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Where numbers come from that are looked up at each scrape. */
export interface MetricSources {
  readonly pending: () => { readonly services: number; readonly endpoints: number };
  /** Elements, rules or servers in the kernel, as far as it is known. */
  readonly programmed: () => Readonly<Record<'IPv4' | 'IPv6', number>>;
  readonly isConnected: () => boolean;
  readonly isReady: () => boolean;
  /** Services that have no endpoint on this node though only those count. */
  readonly noLocalEndpoints: (family: Family) => Readonly<Record<'internal' | 'external', number>>;
  /** Packets that rules have counted, in mode iptables. */
  readonly packets?: ModeKit['packets'];
  /** Other metrics that are told with these: of the process, of requests to the API server. */
  readonly more?: readonly { expose(): Promise<string> }[];
}

export interface ProxyMetrics {
  /** The text exposition. */
  expose(): Promise<string>;
  serviceChanges(count: number): void;
  endpointChanges(count: number): void;
  /** @param at ms since the epoch */
  queued(family: Family, at: number): void;
  synced(family: Family, kind: 'full' | 'partial', tookMs: number, at: number): void;
  /** There was nothing to do. @param at ms since the epoch */
  inStep(family: Family, at: number): void;
  syncFailed(family: Family, mode: string): void;
  /** What changed was refused as a whole, and programmed in another way. */
  partialFailed(family: Family): void;
  /** Rules of iptables by table. */
  rules(family: Family, rules: NonNullable<ModeReport['rules']>): void;
  cleanupFailed(family: Family): void;
  /** Since whatever caused a change of endpoints, in ms. */
  networkProgrammed(family: Family, tookMs: number): void;
  /** From the first event to the kernel, in ms. */
  eventToKernel(tookMs: number): void;
  repaired(count: number): void;
  refused(count: number): void;
  elements(count: number): void;
  conntrack(family: Family, tookMs: number, deleted: number): void;
  healthz(code: number): void;
  livez(code: number): void;
  unknownKeys(count: number): void;
}

export function familyLabel(family: Family): 'IPv4' | 'IPv6' {
  return family === 4 ? 'IPv4' : 'IPv6';
}

export function proxyMetrics(sources: MetricSources): ProxyMetrics {
  const theirs = new Metrics('kubeproxy_');
  const ours = new Metrics('underpod_proxy_');
  const byFamily = ['ip_family'] as const;
  const label = (family: Family): { ip_family: string } => ({ ip_family: familyLabel(family) });
  const sync = theirs.histogram('sync_proxy_rules_duration_seconds', 'A sync.', SYNC_BUCKETS, byFamily);
  const full = theirs.histogram(
    'sync_full_proxy_rules_duration_seconds',
    'A full sync.',
    SYNC_BUCKETS,
    byFamily,
  );
  const partial = theirs.histogram(
    'sync_partial_proxy_rules_duration_seconds',
    'A sync of what changed.',
    SYNC_BUCKETS,
    byFamily,
  );
  const network = theirs.histogram(
    'network_programming_duration_seconds',
    'From the cause of a change of endpoints until it is programmed.',
    PROGRAMMING_BUCKETS,
    byFamily,
  );
  const last = theirs.gauge(
    'sync_proxy_rules_last_timestamp_seconds',
    'When the kernel last had what the source says.',
    byFamily,
  );
  const lastQueued = theirs.gauge(
    'sync_proxy_rules_last_queued_timestamp_seconds',
    'When a sync was last asked for.',
    byFamily,
  );
  theirs.gauge(
    'sync_proxy_rules_service_changes_pending',
    'Changes of Services to come.',
    [],
    () => sources.pending().services,
  );
  theirs.gauge(
    'sync_proxy_rules_endpoint_changes_pending',
    'Changes of endpoints to come.',
    [],
    () => sources.pending().endpoints,
  );
  const services = theirs.counter('sync_proxy_rules_service_changes_total', 'Changes of Services.');
  const endpoints = theirs.counter('sync_proxy_rules_endpoint_changes_total', 'Changes of endpoints.');
  theirs.gaugeTable(
    'sync_proxy_rules_no_local_endpoints_total',
    'Service ports with a local policy and no endpoint here.',
    ['traffic_policy', 'ip_family'],
    () =>
      FAMILIES.flatMap((family) =>
        Object.entries(sources.noLocalEndpoints(family)).map(
          ([traffic_policy, count]) => [{ traffic_policy, ...label(family) }, count] as const,
        ),
      ),
  );
  const failures = {
    nftables: theirs.counter('sync_proxy_rules_nftables_sync_failures_total', 'Syncs that failed.', byFamily),
    iptables: theirs.counter(
      'sync_proxy_rules_iptables_restore_failures_total',
      'Syncs that failed.',
      byFamily,
    ),
  };
  const partialFailures = theirs.counter(
    'sync_proxy_rules_iptables_partial_restore_failures_total',
    'Syncs of what changed that failed; all is compared then.',
    byFamily,
  );
  const byTable = ['table', 'ip_family'] as const;
  const rulesTotal = theirs.gauge(
    'sync_proxy_rules_iptables_total',
    'Rules of iptables that are ours.',
    byTable,
  );
  const rulesLast = theirs.gauge(
    'sync_proxy_rules_iptables_last',
    'Rules of iptables that the last sync wrote.',
    byTable,
  );
  const cleanups = theirs.counter(
    'sync_proxy_rules_nftables_cleanup_failures_total',
    'Clearings of what is of no use any more that failed.',
    byFamily,
  );
  const conntrackTime = theirs.histogram(
    'conntrack_reconciler_sync_duration_seconds',
    'Looking for stale flows.',
    SYNC_BUCKETS,
    byFamily,
  );
  const conntrackDeleted = theirs.counter(
    'conntrack_reconciler_deleted_entries_total',
    'Stale flows deleted.',
    byFamily,
  );
  const { packets } = sources;
  if (packets) {
    theirs.counterOf(
      'iptables_ct_state_invalid_dropped_packets_total',
      'Packets dropped that conntrack takes for invalid.',
      () => packets('invalid'),
    );
    theirs.counterOf(
      'iptables_localhost_nodeports_accepted_packets_total',
      'Packets to node ports on the loopback.',
      () => packets('loopback'),
    );
  }
  const healthz = theirs.counter('proxy_healthz_total', 'Answers of /healthz.', ['code']);
  const livez = theirs.counter('proxy_livez_total', 'Answers of /livez.', ['code']);

  ours.gauge('ready', '1 once the services have been programmed from their source.', [], () =>
    sources.isReady() ? 1 : 0,
  );
  ours.gauge('source_connected', '1 while changes are followed.', [], () => (sources.isConnected() ? 1 : 0));
  ours.gauge('changes_pending', 'Changes to be programmed.', [], () => {
    const { services: s, endpoints: e } = sources.pending();
    return s + e;
  });
  ours.gauges('ports_programmed', 'Service ports in the kernel.', 'ip_family', sources.programmed);
  const elements = ours.counter(
    'elements_programmed_total',
    'Elements added, changed or removed in the kernel.',
  );
  const eventTime = ours.histogram(
    'event_to_kernel_seconds',
    'From an event until the kernel has it.',
    EVENT_BUCKETS,
  );
  const repairs = ours.counter('repairs_total', 'What others changed and was put right.');
  const refused = ours.counter('refused_total', 'Service ports that the kernel did not take.');
  const unknown = ours.gauge('configuration_unknown_keys', 'Keys of the configuration that nobody reads.');

  return {
    expose: async () =>
      (await Promise.all([theirs, ours, ...(sources.more ?? [])].map((one) => one.expose()))).join('\n'),
    serviceChanges: (count) => services.inc(count),
    endpointChanges: (count) => endpoints.inc(count),
    queued: (family, at) => lastQueued.set(label(family), at / 1000),
    synced: (family, kind, tookMs, at) => {
      sync.observe(label(family), tookMs / 1000);
      (kind === 'full' ? full : partial).observe(label(family), tookMs / 1000);
      last.set(label(family), at / 1000);
    },
    inStep: (family, at) => last.set(label(family), at / 1000),
    syncFailed: (family, mode) => failures[mode === 'nftables' ? 'nftables' : 'iptables'].inc(label(family)),
    partialFailed: (family) => {
      partialFailures.inc(label(family));
      failures.iptables.inc(label(family));
    },
    rules: (family, rules) => {
      for (const [table, { total, written }] of Object.entries(rules)) {
        rulesTotal.set({ table, ...label(family) }, total);
        rulesLast.set({ table, ...label(family) }, written);
      }
    },
    cleanupFailed: (family) => cleanups.inc(label(family)),
    networkProgrammed: (family, tookMs) => network.observe(label(family), Math.max(0, tookMs) / 1000),
    eventToKernel: (tookMs) => eventTime.observe(tookMs / 1000),
    repaired: (count) => repairs.inc(count),
    refused: (count) => refused.inc(count),
    elements: (count) => elements.inc(count),
    conntrack: (family, tookMs, deleted) => {
      conntrackTime.observe(label(family), tookMs / 1000);
      if (deleted > 0) conntrackDeleted.inc(label(family), deleted);
    },
    healthz: (code) => healthz.inc({ code: String(code) }),
    livez: (code) => livez.inc({ code: String(code) }),
    unknownKeys: (count) => unknown.set(count),
  };
}
