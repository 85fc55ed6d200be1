/**
 * A whole cluster changes from flannel to the agent as docs/change-over-from-flannel.md has it, node by node, under traffic,
 * and one node back on the way.
 */
import { cpSync, readdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { goPlugins } from '../../../cni/plugins/testing/node.ts';
import { upstreamFlannel } from '../../cni/upstream.ts';
import { flanneldMissing } from '../../flannel/programs.ts';
import type { Cluster } from './cluster.ts';
import { flannelImage, flannelManifest } from './flannel.ts';
import { agentsOf, agentsReady, foundWrong, NET_CONF, overlayOf } from './install.ts';
import { clusterIngredients, OVERLAYS, startCluster } from './testing.ts';
import { until } from './until.ts';
import { removeWeb, runWeb, Traffic, type WebPod } from './workload.ts';

const plugins = goPlugins();
const ingredients = await clusterIngredients(
  () => flanneldMissing() ?? (upstreamFlannel() && plugins ? undefined : "upstream's plugins are missing"),
);
const LIMIT_MS = 240_000;
const FLANNEL = 'daemonset/kube-flannel-ds';
/** It leaves nodes that have the label. */
const PATCH = resolve(import.meta.dirname, '../../../cni/agent/deploy/change-over/flannel-daemonset.yaml');

describe('a cluster that has flannel', () => {
  let cluster: Cluster;
  let pods: WebPod[] = [];
  let traffic: Traffic;

  const flannelReady = (): Promise<string> =>
    cluster.kubectl('-n', 'kube-flannel', 'rollout', 'status', FLANNEL, '--timeout=180s');
  const flannelOn = async (): Promise<string[]> =>
    (await cluster.list<{ spec: { nodeName?: string } }>('pods', '-n', 'kube-flannel')).map(
      ({ spec }) => spec.nodeName ?? '',
    );
  /** Says what an act did to connections, and that it was nothing. */
  const keptEverything = async (act: string): Promise<void> => {
    const { connections, echoes, lost, failed, missing, opened, longestGap } = await traffic.section();
    process.stdout.write(
      `${act}: ${echoes} echoes, ${lost} of ${connections} connections lost, ${failed} of ${opened + failed} new ones ` +
        `failed, ${missing} datagrams lost, longest gap ${longestGap} ms\n`,
    );
    expect({ lost, failed }).toEqual({ lost: 0, failed: 0 });
    expect(connections).toBeGreaterThan(0);
  };
  /** Pods of before have flannel's MTU, which is too large for IPv6: of that alone they are warned. */
  const looksWell = async (name: string): Promise<void> => {
    expect((await foundWrong(cluster, name)).filter(({ check }) => check !== 'mtu')).toEqual([]);
  };
  /** `kubectl label`, and until the one agent has gone and the other is ready. */
  const changeTo = async (name: string, agent: 'ours' | 'flannel'): Promise<void> => {
    await cluster.kubectl('label', 'node', name, agent === 'ours' ? 'underpod-agent=yes' : 'underpod-agent-');
    await until(`${name} to have ${agent}`, LIMIT_MS, async () => {
      const [theirs, own] = [(await flannelOn()).includes(name), (await agentsOf(cluster)).has(name)];
      return own === (agent === 'ours') && theirs !== own ? true : undefined;
    });
    await (agent === 'ours' ? agentsReady(cluster) : flannelReady());
    // The first by name counts for new pods.
    const configurations = readdirSync(cluster.node(name).lab.path('/etc/cni/net.d'));
    const [conflist] = configurations.filter((file) => file.endsWith('.conflist')).sort();
    expect(conflist).toBe(agent === 'ours' ? '10-underpod.conflist' : '10-flannel.conflist');
  };

  beforeAll(async () => {
    cluster = await startCluster(ingredients, (directory) => {
      const image = flannelImage(directory);
      return image ? [image] : [];
    });
    // What nodes with flannel have beside it.
    for (const { lab } of cluster.nodes)
      for (const name of readdirSync(plugins ?? ''))
        if (name !== 'sample') cpSync(`${plugins}/${name}`, lab.path(`/opt/cni/bin/${name}`));
    const manifest = `${OVERLAYS}-flannel.json`;
    writeFileSync(manifest, JSON.stringify(flannelManifest(NET_CONF)));
    await cluster.kubectl('apply', '-f', manifest);
    await flannelReady();
    pods = await runWeb(cluster);
    traffic = await Traffic.between(pods);
    await traffic.section();
  }, LIMIT_MS);
  afterAll(async () => {
    await traffic?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  }, LIMIT_MS);

  test(
    'makes room for ours, which then runs nowhere yet',
    async () => {
      await cluster.kubectl('-n', 'kube-flannel', 'patch', FLANNEL, '--patch-file', PATCH);
      await flannelReady();
      await cluster.kubectl('apply', '-k', overlayOf('change-over', OVERLAYS));
      expect((await agentsOf(cluster)).size).toBe(0);
      await keptEverything('flannel makes room');
    },
    LIMIT_MS,
  );

  test(
    'changes one node, back, and then all',
    async () => {
      const [first, second] = cluster.nodes.map(({ name }) => name) as [string, string];
      await changeTo(first, 'ours');
      await looksWell(first);
      await keptEverything(`${first} from flannel to ours`);
      await changeTo(first, 'flannel');
      await keptEverything(`${first} from ours to flannel`);
      for (const name of [first, second]) {
        await changeTo(name, 'ours');
        await looksWell(name);
        await keptEverything(`${name} from flannel to ours`);
      }
    },
    LIMIT_MS,
  );

  test(
    'drops flannel, and connections go on',
    async () => {
      await cluster.kubectl('apply', '-k', overlayOf('kubeadm', OVERLAYS));
      await cluster.kubectl('delete', 'namespace', 'kube-flannel');
      await cluster.kubectl('delete', 'clusterrole,clusterrolebinding', 'flannel');
      await cluster.kubectl('label', 'nodes', '--all', 'underpod-agent-');
      await agentsReady(cluster);
      expect((await agentsOf(cluster)).size).toBe(2);
      await keptEverything('flannel is dropped');
    },
    LIMIT_MS,
  );

  test(
    'old pods go by our plugins, new ones come by them',
    async () => {
      await removeWeb(cluster);
      pods = await runWeb(cluster);
      await using again = await Traffic.between(pods);
      expect((await again.section()).lost).toBe(0);
      for (const { name } of cluster.nodes) expect(await foundWrong(cluster, name)).toEqual([]);
      await removeWeb(cluster);
    },
    LIMIT_MS,
  );
});
