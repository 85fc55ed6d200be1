/**
 * A whole cluster with the agent installed as docs/install-kubeadm.md has it: scheduler, controllers, kubelets, containerd,
 * and nothing between them and us that is ours.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cluster } from './cluster.ts';
import type { ClusterNode } from './cluster-node.ts';
import { PAGE } from './images.ts';
import { agentsOf, agentsReady, foundWrong, NAMESPACE, overlayOf } from './install.ts';
import { leftOn, NOTHING } from './left.ts';
import { clusterIngredients, OVERLAYS, startCluster } from './testing.ts';
import { until } from './until.ts';
import { HOST_PORT, removeWeb, runWeb, Traffic, type WebPod, webPods } from './workload.ts';

const ingredients = await clusterIngredients();

/** For what takes seconds, and much longer on a machine that does much else. */
const LIMIT_MS = 180_000;

const wget = (host: string, port = 80): string[] => [
  ...['timeout', '5', 'busybox', 'wget', '-q', '-O', '-'],
  `http://${host.includes(':') ? `[${host}]` : host}:${port}/`,
];

describe('a whole cluster', () => {
  let cluster: Cluster;
  let pods: WebPod[] = [];
  const each = <T>(work: (node: ClusterNode) => Promise<T>): Promise<T[]> =>
    Promise.all(cluster.nodes.map(work));
  const nodesReady = (): Promise<true> =>
    until('the nodes to be ready', LIMIT_MS, async () =>
      (await each(({ name }) => cluster.isReady(name))).every(Boolean) ? true : undefined,
    );
  const podCidrs = async (node: ClusterNode): Promise<string[]> => {
    const { spec } = await cluster.plane.node(node.name);
    const cidrs = spec?.['podCIDRs'] as string[] | undefined;
    if (cidrs === undefined) throw new Error(`${node.name} has no podCIDRs`);
    return cidrs;
  };
  /** Every pod reaches every other by both its addresses. */
  const reachOneAnother = async (): Promise<void> => {
    for (const from of pods)
      for (const to of pods)
        for (const ip of to.ips)
          expect(await cluster.kubectl('exec', from.name, '--', ...wget(ip)), `${from.name} to ${ip}`).toBe(
            PAGE,
          );
  };

  beforeAll(async () => {
    cluster = await startCluster(ingredients);
  }, LIMIT_MS);
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
  }, LIMIT_MS);

  test(
    'its nodes are not ready before there is a network',
    async () => {
      expect(await each(({ name }) => cluster.isReady(name))).toEqual([false, false]);
      expect(await each((node) => until('a podCIDR', LIMIT_MS, () => podCidrs(node)))).toHaveLength(2);
    },
    LIMIT_MS,
  );

  test(
    'the manifests make them ready, with an agent on each that never had to be started again',
    async () => {
      await cluster.kubectl('apply', '-k', overlayOf('kubeadm', OVERLAYS));
      await agentsReady(cluster);
      await nodesReady();
      const agents = [...(await agentsOf(cluster)).values()];
      expect(agents.map(({ status }) => status.containerStatuses?.[0]?.restartCount)).toEqual([0, 0]);
    },
    LIMIT_MS,
  );

  test(
    'pods that the scheduler spread reach one another by IPv4 and IPv6',
    async () => {
      pods = await runWeb(cluster);
      expect(pods.map(({ node }) => node.name)).toEqual(cluster.nodes.map(({ name }) => name));
      for (const { node, ips } of pods) {
        const [four = '', six = ''] = await podCidrs(node);
        expect(ips[0]).toContain(four.replace(/\.0\/24$/, '.'));
        expect(ips[1]).toContain(six.replace(/:*\/64$/, ':'));
      }
      await reachOneAnother();
    },
    LIMIT_MS,
  );

  test(
    'host ports lead to them, from outside and from a node',
    async () => {
      const [first, second] = cluster.nodes as [ClusterNode, ClusterNode];
      for (const family of [4, 6] as const) {
        const address = second.lab.address(family);
        const outside = [
          'nsenter',
          `--target=${cluster.outside.pid}`,
          '--net',
          '--',
          ...wget(address, HOST_PORT),
        ];
        expect(Bun.spawnSync(outside).stdout.toString()).toBe(PAGE);
        expect(await first.lab.run(wget(address, HOST_PORT))).toBe(PAGE);
      }
    },
    LIMIT_MS,
  );

  test(
    '`underpod check` finds nothing wrong on any node',
    async () => {
      for (const { name } of cluster.nodes) expect(await foundWrong(cluster, name), name).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    'a rolling restart of the agents loses no connection',
    async () => {
      await using traffic = await Traffic.between(pods);
      const before = await agentsOf(cluster);
      await traffic.section();
      await cluster.kubectl('-n', NAMESPACE, 'rollout', 'restart', 'daemonset/underpod-agent');
      await agentsReady(cluster);
      for (const [node, { metadata }] of await agentsOf(cluster))
        expect(metadata.uid, node).not.toBe(before.get(node)?.metadata.uid);
      const { connections, echoes, lost, failed, missing, opened, longestGap } = await traffic.section();
      process.stdout.write(
        `rolling restart: ${echoes} echoes, ${lost} of ${connections} connections lost, ${failed} of ${opened + failed} ` +
          `new ones failed, ${missing} datagrams lost, longest gap ${longestGap} ms\n`,
      );
      expect({ lost, failed, missing }).toEqual({ lost: 0, failed: 0, missing: 0 });
      expect(connections).toBeGreaterThan(0);
    },
    LIMIT_MS,
  );

  test(
    'a node that loses its power comes back with its pods, and nothing of those from before',
    async () => {
      const [, second] = cluster.nodes as [ClusterNode, ClusterNode];
      await second.kill();
      await second.boot();
      pods = await until('its pod to have been started again', LIMIT_MS, async () => {
        const all = await webPods(cluster);
        const [one] = all.filter(({ node }) => node === second);
        return one?.isReady && one.restarts > 0 ? all : undefined;
      });
      await agentsReady(cluster);
      await reachOneAnother();
      const addresses = pods.flatMap(({ node, ips }) => (node === second ? ips : []));
      // containerd has removed the old sandbox when the kubelet's next round has told it to.
      await until('the old pod to be gone', LIMIT_MS, async () => {
        const left = await leftOn(second, []);
        expect({ ...left, addresses: [...left.addresses].sort() }).toMatchObject({
          addresses: [...addresses].sort(),
          veths: [expect.any(String)],
          namespaces: [expect.any(String)],
        });
        return true;
      });
      expect(await foundWrong(cluster, second.name)).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    'deleted pods leave nothing on their nodes',
    async () => {
      const words = pods.flatMap(({ name, ips }) => [name, ...ips]);
      expect((await each((node) => leftOn(node, words))).every(({ inRules }) => inRules.length > 0)).toBe(
        true,
      );
      await removeWeb(cluster);
      // The API has lost the pod a moment before containerd has removed its sandbox.
      for (const node of cluster.nodes)
        await until(`nothing to be left on ${node.name}`, LIMIT_MS, async () => {
          expect(await leftOn(node, words)).toEqual(NOTHING);
          return true;
        });
    },
    LIMIT_MS,
  );

  test(
    'a node that is deleted and joins again gets another podCIDR, which everybody follows',
    async () => {
      const [first, second] = cluster.nodes as [ClusterNode, ClusterNode];
      const before = await podCidrs(second);
      await second.kubelet.kill();
      await cluster.plane.deleteNode(second.name);
      await until(
        'its routes to be gone',
        LIMIT_MS,
        async () => (await routesTo(first, before)) === 0 || undefined,
      );
      await second.kubelet.start();
      const after = await until('a podCIDR', LIMIT_MS, () => podCidrs(second));
      expect(after.filter((cidr) => before.includes(cidr))).toEqual([]);
      await until('routes to it', LIMIT_MS, async () => (await routesTo(first, after)) === 2 || undefined);
      await nodesReady();
      await agentsReady(cluster);
      pods = await runWeb(cluster);
      await reachOneAnother();
      for (const node of cluster.nodes) expect(await routesTo(node, before), node.name).toBe(0);
      for (const { name } of cluster.nodes) expect(await foundWrong(cluster, name), name).toEqual([]);
      await removeWeb(cluster);
    },
    LIMIT_MS,
  );
});

/** How many of the main tables' routes lead to one of these networks, on whatever way. */
async function routesTo({ lab }: ClusterNode, networks: readonly string[]): Promise<number> {
  const tables = await Promise.all(
    ['-4', '-6'].map((family) => lab.json<{ dst: string }[]>('ip', family, 'route')),
  );
  return tables.flat().filter(({ dst }) => networks.includes(dst)).length;
}
