/** Installs the agent in the cluster by its manifests, as the pages say. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { CLUSTER } from '../../lab/addresses.ts';
import type { Cluster } from './cluster.ts';
import type { PodObject } from './workload.ts';

export const NAMESPACE: string = 'underpod-system';
const DEPLOY = resolve(import.meta.dirname, '../../../cni/agent/deploy');

/** Both families, as docs/install-kubeadm.md has it. */
export const NET_CONF: Readonly<Record<string, unknown>> = {
  Network: CLUSTER[4],
  EnableIPv6: true,
  IPv6Network: CLUSTER[6],
  Backend: { Type: 'vxlan' },
};

/** Makes an overlay of one of ours with another net-conf.json. @returns its directory, for `kubectl apply -k` */
export function overlayOf(base: 'kubeadm' | 'change-over', directory: string): string {
  const path = `${directory}/${base}`;
  mkdirSync(path, { recursive: true });
  const patch = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'underpod-agent', namespace: NAMESPACE },
    data: { 'net-conf.json': JSON.stringify(NET_CONF) },
  };
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    // It takes no absolute path.
    resources: [relative(path, `${DEPLOY}/${base}`)],
    patches: [{ path: 'config.json' }],
  };
  writeFileSync(`${path}/config.json`, JSON.stringify(patch));
  writeFileSync(`${path}/kustomization.yaml`, JSON.stringify(kustomization));
  return path;
}

/** The agents' pods, by node. */
export async function agentsOf(cluster: Cluster): Promise<ReadonlyMap<string, PodObject>> {
  const pods = await cluster.list<PodObject>('pods', '--namespace', NAMESPACE);
  return new Map(pods.map((pod) => [pod.spec.nodeName ?? '', pod]));
}

/** Waits until every node's agent is ready. */
export async function agentsReady(cluster: Cluster): Promise<void> {
  await cluster.kubectl('-n', NAMESPACE, 'rollout', 'status', 'daemonset/underpod-agent', '--timeout=180s');
}

export interface Finding {
  readonly check: string;
  readonly severity: string;
  readonly message: string;
}

/** What `underpod check` finds wrong on a node: from the agent's container, and on the node itself. */
export async function foundWrong(cluster: Cluster, name: string): Promise<Finding[]> {
  const pod = (await agentsOf(cluster)).get(name)?.metadata.name;
  if (pod === undefined) throw new Error(`${name} has no agent`);
  const inside = await cluster.kubectl(
    '-n',
    NAMESPACE,
    'exec',
    pod,
    '--',
    'underpod',
    'check',
    '--output=json',
  );
  const own = await cluster
    .node(name)
    .lab.run(['/opt/underpod/bin/underpod', 'check', '--output=json'], { timeout: 30_000 });
  return [inside, own].flatMap((text) =>
    (JSON.parse(text) as { findings: Finding[] }).findings.filter(({ severity }) =>
      ['error', 'warning'].includes(severity),
    ),
  );
}
