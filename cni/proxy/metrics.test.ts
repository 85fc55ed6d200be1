import { expect, test } from 'vitest';
import { proxyMetrics } from './metrics.ts';

/** All that kube-proxy 1.36 registers (pkg/proxy/metrics/metrics.go). */
const THEIRS = [
  'conntrack_reconciler_deleted_entries_total',
  'conntrack_reconciler_sync_duration_seconds',
  'iptables_ct_state_invalid_dropped_packets_total',
  'iptables_localhost_nodeports_accepted_packets_total',
  'network_programming_duration_seconds',
  'proxy_healthz_total',
  'proxy_livez_total',
  'sync_full_proxy_rules_duration_seconds',
  'sync_partial_proxy_rules_duration_seconds',
  'sync_proxy_rules_duration_seconds',
  'sync_proxy_rules_endpoint_changes_pending',
  'sync_proxy_rules_endpoint_changes_total',
  'sync_proxy_rules_iptables_last',
  'sync_proxy_rules_iptables_partial_restore_failures_total',
  'sync_proxy_rules_iptables_restore_failures_total',
  'sync_proxy_rules_iptables_total',
  'sync_proxy_rules_last_queued_timestamp_seconds',
  'sync_proxy_rules_last_timestamp_seconds',
  'sync_proxy_rules_nftables_cleanup_failures_total',
  'sync_proxy_rules_nftables_sync_failures_total',
  'sync_proxy_rules_no_local_endpoints_total',
  'sync_proxy_rules_service_changes_pending',
  'sync_proxy_rules_service_changes_total',
];

const sources = {
  pending: () => ({ services: 0, endpoints: 0 }),
  programmed: () => ({ IPv4: 0, IPv6: 0 }),
  isConnected: () => true,
  isReady: () => true,
  noLocalEndpoints: () => ({ internal: 0, external: 0 }),
};

test("kube-proxy's metrics are there by their names, and no others under its prefix", async () => {
  const text = await proxyMetrics({ ...sources, packets: () => 0 }).expose();
  const names = [...text.matchAll(/^# TYPE kubeproxy_(\S+)/gm)].map(([, name]) => name);
  expect(names.sort()).toEqual(THEIRS);
});

test('packets that nobody counts are not told', async () => {
  expect(await proxyMetrics(sources).expose()).not.toContain('packets_total');
  const counted = await proxyMetrics({
    ...sources,
    packets: (what) => (what === 'invalid' ? 7 : undefined),
  }).expose();
  expect(counted.match(/^kubeproxy_iptables_.*packets_total.*$/gm)).toEqual([
    'kubeproxy_iptables_ct_state_invalid_dropped_packets_total 7',
  ]);
});
