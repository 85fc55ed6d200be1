/**
 * The client and the compiled agent against a real kube-apiserver with 5,000 nodes as kubelets write them: the server's
 * share is in it, and on the same two processors.
 */

import { kubeconfigAccess } from '../../shared/kube/access/kubeconfig.ts';
import { KubeClient } from '../../shared/kube/client.ts';
import { systemClock } from '../../shared/kube/clock.ts';
import { NODES, type Resource } from '../../shared/kube/resource.ts';
import type { Node } from '../../shared/kube/types.ts';
import { enterWorld } from '../cni/world.ts';
import { etcdProgram } from '../etcd/program.ts';
import { ControlPlane, controlPlaneMissing } from '../kubernetes/control-plane.ts';
import { TemporaryDirectory } from '../testing/netns.ts';
import { underlay } from './agent.ts';
import { type Figure, median } from './figure.ts';
import { kubeletNode } from './kubelet-node.ts';
import { busyMsOf, startAgents } from './kubernetes.ts';

/** Requests at a time while the nodes are created. */
const AT_ONCE = 32;

/** @throws Error when a list is not complete */
export async function benchApiServer(executable: string, nodes: number, rounds: number): Promise<Figure[]> {
  // Before the world without a network: it may have to be fetched.
  etcdProgram();
  const missing = controlPlaneMissing();
  if (missing !== undefined) {
    process.stderr.write(`no figures of a real API server: ${missing}\n`);
    return [];
  }
  using world = enterWorld() ?? undefined;
  if (!world) return [];
  using directory = new TemporaryDirectory();
  await using plane = await ControlPlane.start({ directory: directory.path });
  await fill(plane, nodes);
  const path = plane.kubeconfig('admin', plane.adminKeys);
  const { message: _, ...inJson } = NODES;
  const protobuf = await lists(plane, path, NODES, nodes, rounds);
  const json = await lists(plane, path, inJson, nodes, rounds);
  underlay();
  await plane.createNode({ name: 'bench', podCidrs: ['10.128.0.0/24'], addresses: ['192.0.2.1'] });
  const what = `${nodes} nodes of a real API server`;
  return [
    { name: `list of ${what}`, ours: protobuf.ms, budget: 2000, rounds },
    { name: 'processor time of the API server for it', ours: protobuf.serverMs, rounds },
    { name: 'the same list in JSON', ours: json.ms, rounds },
    { name: 'processor time of the API server for it', ours: json.serverMs, rounds },
    ...(await startAgents(executable, { kubeconfig: path, nodes, rounds, what })),
  ];
}

async function fill(plane: ControlPlane, nodes: number): Promise<void> {
  let next = 1;
  const work = async (): Promise<void> => {
    while (next <= nodes) {
      const { metadata, ...rest } = kubeletNode(next++) as { metadata: Record<string, unknown> };
      const { resourceVersion: _, uid: __, ...created } = metadata;
      await plane.admin.post('/api/v1/nodes', { metadata: created, ...rest });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

async function lists(
  plane: ControlPlane,
  path: string,
  resource: Resource<Node>,
  nodes: number,
  rounds: number,
): Promise<{ readonly ms: number; readonly serverMs: number }> {
  const client = new KubeClient({
    access: kubeconfigAccess({ path, clock: systemClock }),
    clock: systemClock,
    userAgent: 'bench',
  });
  const busyMs = (): number => busyMsOf(plane.apiserver.pid ?? 0);
  const times: number[] = [];
  const server: number[] = [];
  for (let round = -1; round < rounds; round += 1) {
    const [busy, start] = [busyMs(), performance.now()];
    const { items } = await client.list(resource, (node) => node.spec?.podCIDR);
    if (items.length !== nodes) throw new Error(`${items.length} nodes of ${nodes}`);
    if (round < 0) continue;
    times.push(performance.now() - start);
    server.push(busyMs() - busy);
  }
  return { ms: median(times), serverMs: median(server) };
}
