/** The proxy's state in words, for its socket. */

import { errorText } from '../../shared/log/format.ts';
import type { Bind } from './config/options.ts';
import { familyLabel } from './metrics.ts';
import type { Family } from './model/endpoint.ts';
import type { ServiceProxy } from './service-proxy.ts';
import type { FamilyStatus, ProxyStatus, ServerStatus, ServicePortStatus, ServiceStatus } from './status.ts';

const FAMILIES: readonly Family[] = [4, 6];

export function proxyStatus(proxy: ServiceProxy): ProxyStatus {
  const { options, catalogue, version } = proxy.parts;
  const { sourceError, lastSync, health } = proxy;
  return {
    apiVersion: 1,
    program: 'proxy',
    version,
    pid: process.pid,
    node: options.node,
    startedAt: new Date(proxy.startedAt).toISOString(),
    ready: health.isHealthy,
    problems: problemsOf(proxy),
    mode: options.mode,
    restored: proxy.isRestored,
    services: catalogue.serviceCount,
    families: FAMILIES.map((family) => familyStatus(proxy, family)),
    ...(lastSync && {
      lastSync: {
        at: new Date(lastSync.at).toISOString(),
        durationMs: lastSync.durationMs,
        changes: lastSync.changes,
      },
    }),
    repairs: proxy.repairs,
    localTraffic: proxy.settings.localTraffic,
    nodePorts: proxy.settings.nodePorts,
    ...(options.healthz && { healthz: serverStatus(options.healthz, proxy.servers.healthz) }),
    ...(options.metrics && { metrics: serverStatus(options.metrics, proxy.servers.metrics) }),
    healthChecks: proxy.checks.size,
    source: {
      type: options.datastore.type,
      why: options.datastore.why,
      location: proxy.sourceLocation,
      connected: proxy.isConnected,
      ...(sourceError !== undefined && { error: errorText(sourceError) }),
    },
    unknownKeys: options.unknownKeys,
  };
}

/** What is programmed for a Service, and why endpoints are left out; `undefined` where there is none of that name. */
export async function serviceStatus(
  proxy: ServiceProxy,
  service: string,
): Promise<ServiceStatus | undefined> {
  const explained = proxy.parts.catalogue.explain(service);
  if (!explained) return undefined;
  const ports: ServicePortStatus[] = [];
  for (const { family, problems, ...port } of explained.ports) {
    const { kernel, problem } = await kernelOf(proxy, family, port.name);
    ports.push({
      ...port,
      family: familyLabel(family),
      kernel,
      problems: problem === undefined ? problems : [...problems, problem],
    });
  }
  return { apiVersion: 1, service, ports, notes: explained.notes };
}

async function kernelOf(
  proxy: ServiceProxy,
  family: Family,
  name: string,
): Promise<{ readonly kernel: readonly string[]; readonly problem?: string }> {
  const programmer = proxy.family(family);
  const port = proxy.parts.catalogue.ports(family).get(name);
  const refused = programmer.refused.get(name);
  if (refused !== undefined) return { kernel: [], problem: `the kernel does not take it: ${refused}` };
  if (!port || !programmer.mode) return { kernel: [], problem: 'it is not programmed yet' };
  try {
    return { kernel: await programmer.mode.explain(port) };
  } catch (error) {
    return { kernel: [], problem: `the kernel cannot be asked: ${errorText(error)}` };
  }
}

function serverStatus(
  { address, port }: Bind,
  server: { readonly listens: boolean } | undefined,
): ServerStatus {
  return {
    address: `${address.includes(':') ? `[${address}]` : address}:${port}`,
    listens: server?.listens ?? false,
  };
}

function familyStatus(proxy: ServiceProxy, family: Family): FamilyStatus {
  const programmer = proxy.family(family);
  return {
    family: familyLabel(family),
    ports: proxy.parts.catalogue.ports(family).size,
    pending: programmer.pending,
    refused: [...programmer.refused].map(([name, why]) => ({ name, why })),
  };
}

const WAITS_FOR_NETWORKS =
  "waiting for the Node's pod networks (spec.podCIDRs), which detectLocalMode NodeCIDR tells pods by: " +
  'let the control plane give them out, or choose another mode';

function problemsOf(proxy: ServiceProxy): string[] {
  const { health, sourceError } = proxy;
  const problems: string[] = [];
  if (!health.isSynced)
    problems.push(
      proxy.isRestored
        ? "the services are those of this node's cache: the source has not told its own yet"
        : proxy.settings.lacksPodNetworks
          ? WAITS_FOR_NETWORKS
          : 'waiting for Services and EndpointSlices',
    );
  else if (!health.isHealthy) problems.push('changes are not programmed in time');
  if (!health.nodeEligible) problems.push('the Node is about to be deleted: load balancers are turned away');
  const { nodeProblem } = proxy.settings;
  if (nodeProblem !== undefined) problems.push(nodeProblem);
  for (const what of ['healthz', 'metrics'] as const)
    if (proxy.parts.options[what] && proxy.servers[what]?.listens === false)
      problems.push(`the port of ${what} is taken: it is tried again every second`);
  if (sourceError !== undefined) problems.push(`the source cannot be followed: ${errorText(sourceError)}`);
  for (const family of FAMILIES) {
    if (proxy.isFailing(family)) problems.push(`${familyLabel(family)} cannot be programmed: see the log`);
    const { refused } = proxy.family(family);
    for (const [name, why] of refused) problems.push(`${familyLabel(family)} ${name}: ${why}`);
  }
  return [...problems, ...proxy.parts.catalogue.problems()];
}
