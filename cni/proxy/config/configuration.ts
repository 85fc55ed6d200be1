/** A KubeProxyConfiguration with its defaults filled in (kube-proxy, pkg/proxy/apis/config/v1alpha1/defaults.go). Pure. */

import { parseIp } from '../../../shared/ip/ip.ts';
import { formatGoDuration } from './go-duration.ts';
import type { GivenConfiguration } from './schema.ts';

export const API_VERSION = 'kubeproxy.config.k8s.io/v1alpha1';
export const KIND = 'KubeProxyConfiguration';

/** kube-proxy's ports: 10256 for load balancers, 10249 for metrics (k8s.io/kubernetes, pkg/cluster/ports). */
export const HEALTHZ_PORT = 10256;
export const METRICS_PORT = 10249;

export type ModeName = 'nftables' | 'iptables' | 'ipvs';

/** Periods, in ms. */
export interface SyncPeriods {
  readonly syncPeriod: number;
  readonly minSyncPeriod: number;
}

/** All keys that mean something here, in the file's own names. Times are in milliseconds. */
export interface Configuration {
  readonly featureGates: Readonly<Record<string, boolean>>;
  readonly clientConnection: {
    readonly kubeconfig: string;
    readonly acceptContentTypes: string;
    readonly contentType: string;
    readonly qps: number;
    readonly burst: number;
  };
  readonly hostnameOverride: string;
  readonly bindAddress: string;
  /** `IP:port`; empty: not served. */
  readonly healthzBindAddress: string;
  readonly metricsBindAddress: string;
  readonly bindAddressHardFail: boolean;
  readonly enableProfiling: boolean;
  readonly showHiddenMetricsForVersion: string;
  /** As written; empty means nftables here, and iptables in kube-proxy. */
  readonly mode: string;
  readonly iptables: SyncPeriods & {
    readonly masqueradeBit: number;
    readonly masqueradeAll: boolean;
    readonly localhostNodePorts: boolean;
    readonly snatNodeInternalIP: boolean;
  };
  readonly ipvs: SyncPeriods & {
    readonly scheduler: string;
    readonly excludeCIDRs: readonly string[];
    readonly strictARP: boolean;
    readonly tcpTimeout: number;
    readonly tcpFinTimeout: number;
    readonly udpTimeout: number;
  };
  readonly nftables: SyncPeriods & { readonly masqueradeBit: number; readonly masqueradeAll: boolean };
  readonly detectLocalMode: string;
  readonly detectLocal: { readonly bridgeInterface: string; readonly interfaceNamePrefix: string };
  /** One network, or one of each family with a comma between them. */
  readonly clusterCIDR: string;
  readonly nodePortAddresses: readonly string[];
  readonly oomScoreAdj: number;
  readonly conntrack: {
    readonly maxPerCore: number;
    readonly min: number;
    readonly tcpEstablishedTimeout: number;
    readonly tcpCloseWaitTimeout: number;
    readonly tcpBeLiberal: boolean;
    readonly udpTimeout: number;
    readonly udpStreamTimeout: number;
  };
  readonly configSyncPeriod: number;
  readonly logging: { readonly format: string; readonly verbosity: number };
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** What kube-proxy takes for minSyncPeriod where the file is silent. */
export const DEFAULT_MIN_SYNC_PERIOD: number = SECOND;

/** Go's rule: a zero value is one that was not given. */
export function withDefaults(given: GivenConfiguration): Configuration {
  const { clientConnection, iptables, ipvs, nftables, detectLocal, conntrack, logging } = given;
  const bindAddress = given.bindAddress || '0.0.0.0';
  // What is no address at all is found out by the check.
  const isV6 = parseIp(bindAddress)?.family === 6;
  return {
    featureGates: Object.fromEntries(
      Object.entries(given.featureGates ?? {}).map(([gate, isOn]) => [gate, isOn === true]),
    ),
    clientConnection: {
      kubeconfig: clientConnection?.kubeconfig ?? '',
      acceptContentTypes: clientConnection?.acceptContentTypes ?? '',
      contentType: clientConnection?.contentType || 'application/vnd.kubernetes.protobuf',
      qps: clientConnection?.qps || 5,
      burst: clientConnection?.burst || 10,
    },
    hostnameOverride: given.hostnameOverride ?? '',
    bindAddress,
    healthzBindAddress: withPort(given.healthzBindAddress || (isV6 ? '[::]' : '0.0.0.0'), HEALTHZ_PORT),
    metricsBindAddress: withPort(given.metricsBindAddress || (isV6 ? '[::1]' : '127.0.0.1'), METRICS_PORT),
    bindAddressHardFail: given.bindAddressHardFail ?? false,
    enableProfiling: given.enableProfiling ?? false,
    showHiddenMetricsForVersion: given.showHiddenMetricsForVersion ?? '',
    mode: given.mode ?? '',
    iptables: {
      masqueradeBit: iptables?.masqueradeBit ?? 14,
      masqueradeAll: iptables?.masqueradeAll ?? false,
      localhostNodePorts: iptables?.localhostNodePorts ?? true,
      snatNodeInternalIP: iptables?.snatNodeInternalIP ?? false,
      syncPeriod: iptables?.syncPeriod || 30 * SECOND,
      minSyncPeriod: iptables?.minSyncPeriod || DEFAULT_MIN_SYNC_PERIOD,
    },
    ipvs: {
      syncPeriod: ipvs?.syncPeriod || 30 * SECOND,
      minSyncPeriod: ipvs?.minSyncPeriod ?? 0,
      scheduler: ipvs?.scheduler ?? '',
      excludeCIDRs: ipvs?.excludeCIDRs ?? [],
      strictARP: ipvs?.strictARP ?? false,
      tcpTimeout: ipvs?.tcpTimeout ?? 0,
      tcpFinTimeout: ipvs?.tcpFinTimeout ?? 0,
      udpTimeout: ipvs?.udpTimeout ?? 0,
    },
    nftables: {
      masqueradeBit: nftables?.masqueradeBit ?? 14,
      masqueradeAll: nftables?.masqueradeAll ?? false,
      syncPeriod: nftables?.syncPeriod || 30 * SECOND,
      minSyncPeriod: nftables?.minSyncPeriod || DEFAULT_MIN_SYNC_PERIOD,
    },
    detectLocalMode: given.detectLocalMode || 'ClusterCIDR',
    detectLocal: {
      bridgeInterface: detectLocal?.bridgeInterface ?? '',
      interfaceNamePrefix: detectLocal?.interfaceNamePrefix ?? '',
    },
    clusterCIDR: given.clusterCIDR ?? '',
    nodePortAddresses: given.nodePortAddresses ?? [],
    // k8s.io/kubernetes, pkg/kubelet/qos: KubeProxyOOMScoreAdj.
    oomScoreAdj: given.oomScoreAdj ?? -999,
    conntrack: {
      maxPerCore: conntrack?.maxPerCore ?? 32 * 1024,
      min: conntrack?.min ?? 128 * 1024,
      tcpEstablishedTimeout: conntrack?.tcpEstablishedTimeout ?? 24 * HOUR,
      tcpCloseWaitTimeout: conntrack?.tcpCloseWaitTimeout ?? HOUR,
      tcpBeLiberal: conntrack?.tcpBeLiberal ?? false,
      udpTimeout: conntrack?.udpTimeout ?? 0,
      udpStreamTimeout: conntrack?.udpStreamTimeout ?? 0,
    },
    configSyncPeriod: given.configSyncPeriod || 15 * MINUTE,
    logging: { format: logging?.format || 'text', verbosity: logging?.verbosity ?? 0 },
  };
}

/** `0.0.0.0` with port 10256: `0.0.0.0:10256`. What has a port already, or is no address, stays. */
export function withPort(address: string, port: number): string {
  const bare = /^\[(.*)\]$/.exec(address)?.[1] ?? address;
  const ip = parseIp(bare);
  if (!ip) return address;
  return ip.family === 6 ? `[${bare}]:${port}` : `${bare}:${port}`;
}

/** Keys that hold times. */
const TIMES: ReadonlySet<string> = new Set([
  'syncPeriod',
  'minSyncPeriod',
  'tcpTimeout',
  'tcpFinTimeout',
  'udpTimeout',
  'udpStreamTimeout',
  'tcpEstablishedTimeout',
  'tcpCloseWaitTimeout',
  'configSyncPeriod',
]);

/** As the file would have it, times in Go's notation: for /configz and --write-config-to. */
export function toVersioned(configuration: Configuration): Record<string, unknown> {
  return {
    apiVersion: API_VERSION,
    kind: KIND,
    ...(render(configuration) as Record<string, unknown>),
    iptables: render(iptablesOf(configuration.iptables)),
  };
}

/** Releases before 1.37 do not know the last key, and it makes no difference. */
function iptablesOf({ snatNodeInternalIP, ...known }: Configuration['iptables']): object {
  return snatNodeInternalIP ? { ...known, snatNodeInternalIP } : known;
}

/** What the file asks for and is not done here. */
export function unfollowedKeys({ iptables, bindAddressHardFail, enableProfiling }: Configuration): string[] {
  return Object.entries({
    'iptables.snatNodeInternalIP': iptables.snatNodeInternalIP,
    bindAddressHardFail,
    enableProfiling,
  }).flatMap(([key, isAsked]) => (isAsked ? [key] : []));
}

function render(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [
      key,
      TIMES.has(key) && typeof entry === 'number' ? formatGoDuration(entry) : render(entry),
    ]),
  );
}
