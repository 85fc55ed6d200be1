/** What users run: a web server with a host port on every node, with traffic from inside its pods. */
import { Probe } from '../../lab/probe/handle.ts';
import type { FlowCounts } from '../../lab/probe/protocol.ts';
import type { Cluster } from './cluster.ts';
import type { ClusterNode } from './cluster-node.ts';
import { BUSYBOX } from './images.ts';
import { until } from './until.ts';

/** A pod as the API has it. */
export interface PodObject {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly podIPs?: readonly { readonly ip: string }[];
    readonly containerStatuses?: readonly { readonly restartCount: number; readonly ready: boolean }[];
  };
}

export interface WebPod {
  readonly name: string;
  readonly node: ClusterNode;
  /** IPv4 and IPv6. */
  readonly ips: readonly string[];
  readonly restarts: number;
  readonly isReady: boolean;
}

/** The port of each node that leads to its pod. */
export const HOST_PORT = 8080;
const LABEL = 'app=web';

/** Pods come and go within this time, in ms, on a machine that does much else. */
const LIMIT_MS = 120_000;
/** Each connection echoes every so many ms. */
const INTERVAL_MS = 10;
/** From each pod to each of the others. */
const CONNECTIONS = 4;
/** What has not come back by then, in ms, has been lost. */
const DRAIN_MS = 1_000;
/** The first echoes come after the neighbours' addresses have been asked for. */
const SETTLE_ECHOES = 50;

/** A pod for each replica, on nodes of their own: the scheduler sees to that. */
function deployment(replicas: number): object {
  const labels = { app: 'web' };
  const apart = { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: labels } };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          // busybox as process 1 hears no SIGTERM.
          terminationGracePeriodSeconds: 1,
          affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [apart] } },
          containers: [
            {
              name: 'web',
              image: BUSYBOX,
              command: ['/bin/httpd', '-f', '-p', '80', '-h', '/www'],
              ports: [{ containerPort: 80, hostPort: HOST_PORT }],
              readinessProbe: { httpGet: { port: 80, path: '/' }, periodSeconds: 1 },
            },
          ],
        },
      },
    },
  };
}

/** Has one pod run on each node, and waits for them. @returns in the nodes' order */
export async function runWeb(cluster: Cluster): Promise<WebPod[]> {
  const { nodes, plane } = cluster;
  await plane.admin.post('/apis/apps/v1/namespaces/default/deployments', deployment(nodes.length));
  await cluster.kubectl('rollout', 'status', 'deployment/web', '--timeout=120s');
  return webPods(cluster);
}

/** As they are now. */
export async function webPods(cluster: Cluster): Promise<WebPod[]> {
  const { nodes } = cluster;
  const pods = await cluster.list<PodObject>('pods', '--selector', LABEL);
  const order = (name: string): number => nodes.findIndex((node) => node.name === name);
  return pods
    .map(({ metadata, spec, status }) => ({
      name: metadata.name,
      node: cluster.node(spec.nodeName ?? ''),
      ips: (status.podIPs ?? []).map(({ ip }) => ip),
      restarts: status.containerStatuses?.[0]?.restartCount ?? 0,
      isReady: status.containerStatuses?.[0]?.ready === true,
    }))
    .sort((a, b) => order(a.node.name) - order(b.node.name));
}

/** Takes it away, and waits until the API has none of its pods. */
export async function removeWeb(cluster: Cluster): Promise<void> {
  await cluster.kubectl('delete', 'deployment', 'web');
  await until('the pods to be gone', LIMIT_MS, async () => {
    const pods = await cluster.list('pods', '--selector', LABEL);
    return pods.length === 0 ? true : undefined;
  });
}

/** Connections between all pods that stay, new ones, and datagrams, through their own interfaces. */
export class Traffic implements AsyncDisposable {
  readonly #probes: readonly Probe[];

  private constructor(probes: readonly Probe[]) {
    this.#probes = probes;
  }

  /** Starts it, and waits until everybody has answered. */
  static async between(pods: readonly WebPod[]): Promise<Traffic> {
    const probes = await Promise.all(
      pods.map(async ({ name, node }) =>
        Probe.start(name, ['nsenter', `--net=${await node.netnsOf(name)}`, '--']),
      ),
    );
    const traffic = new Traffic(probes);
    await traffic.#each((probe, at) => {
      const hosts = pods.filter((_, other) => other !== at).flatMap(({ ips }) => ips);
      return probe.ask({ op: 'flows', hosts, connections: CONNECTIONS, interval: INTERVAL_MS });
    });
    let echoes = 0;
    await until('all connections to echo', LIMIT_MS, async () => {
      const section = await traffic.section();
      echoes += section.echoes;
      return echoes > section.connections * SETTLE_ECHOES ? true : undefined;
    });
    return traffic;
  }

  /** What happened since it was asked last. */
  async section(): Promise<FlowCounts> {
    const parts = await this.#each((probe) => probe.ask({ op: 'flowed', drain: DRAIN_MS }));
    return parts.reduce((a, b) => ({
      connections: a.connections + b.connections,
      lost: a.lost + b.lost,
      echoes: a.echoes + b.echoes,
      missing: a.missing + b.missing,
      opened: a.opened + b.opened,
      failed: a.failed + b.failed,
      longestGap: Math.max(a.longestGap, b.longestGap),
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#each((probe) => probe.stop());
  }

  #each<T>(work: (probe: Probe, at: number) => Promise<T>): Promise<T[]> {
    return Promise.all(this.#probes.map(work));
  }
}
