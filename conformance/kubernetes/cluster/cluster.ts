/**
 * A whole cluster as users have it: etcd, API server, controller manager and scheduler in this process's network namespace,
 * and nodes that are namespaces with a containerd, a kubelet and a kube-proxy each. Nobody knows of a network provider:
 * nodes are not ready until one is installed. Everything ends with this process.
 */
import { mkdirSync } from 'node:fs';
import type { Runtime } from '../../containerd/runtimes.ts';
import { CLUSTER, controlAddress, type Family } from '../../lab/addresses.ts';
import type { Probe } from '../../lab/probe/handle.ts';
import { run as runCommand } from '../../lab/run.ts';
import { makeOutside, makeUnderlay } from '../../lab/underlay.ts';
import { TestDaemon } from '../../testing/daemon.ts';
import type { KubeObject } from '../api.ts';
import { ControlPlane } from '../control-plane.ts';
import { kubernetesProgram } from '../programs.ts';
import { cgroupsLeft, removeCgroups } from './cgroup.ts';
import { ClusterNode } from './cluster-node.ts';
import type { Image } from './images.ts';
import { until } from './until.ts';

export interface ClusterOptions {
  /** For everything; empty, and in memory where the cluster shall be quick. */
  readonly directory: string;
  readonly nodes: number;
  readonly runtime: Runtime;
  readonly images: readonly [Image, ...Image[]];
}

/** Services' addresses: the first of each is the API server's. */
const SERVICES: Readonly<Record<Family, string>> = { 4: '10.96.0.0/16', 6: 'fd00:10:96::/112' };
/** What each node gets of `CLUSTER`. */
const NODE_PREFIX: Readonly<Record<Family, number>> = { 4: 24, 6: 64 };
/** On an idle machine, in ms. */
const START_LIMIT_MS = 20_000;
const PORT = 6443;
/** Waiting is the cluster's work: kubectl's own limits are shorter. */
const KUBECTL_LIMIT_MS = 300_000;

export class Cluster implements AsyncDisposable {
  readonly plane: ControlPlane;
  readonly nodes: readonly ClusterNode[];
  /** A host beyond the nodes, their gateway. */
  readonly outside: Probe;
  readonly #directory: string;
  readonly #controllers: readonly TestDaemon[];

  private constructor(options: ClusterOptions, plane: ControlPlane, outside: Probe) {
    const { directory, runtime, images } = options;
    this.#directory = directory;
    this.plane = plane;
    this.outside = outside;
    this.#controllers = controllers(plane, directory);
    this.nodes = Array.from(
      { length: options.nodes },
      (_, i) => new ClusterNode({ index: i + 1, files: directory, plane, runtime, images }),
    );
  }

  /** Starts it, nodes and all. This process must have a network namespace of its own. @throws Error with what failed */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const { directory } = options;
    removeCgroups();
    for (const name of ['shared', 'nodes', 'logs']) mkdirSync(`${directory}/${name}`, { recursive: true });
    await makeUnderlay({ store: 'kubernetes', ipv: 'dual' });
    const outside = await makeOutside('dual');
    const plane = await ControlPlane.start({
      directory: `${directory}/plane`,
      address: controlAddress(4).address,
      port: PORT,
      flags: [
        `--service-cluster-ip-range=${SERVICES[4]},${SERVICES[6]}`,
        // The service's address leads to this server, as pods need it.
        '--endpoint-reconciler-type=lease',
      ],
      kubelets: true,
    });
    const cluster = new Cluster(options, plane, outside);
    try {
      await Promise.all(cluster.#controllers.map((daemon) => daemon.start()));
      await Promise.all(cluster.nodes.map((node) => node.boot()));
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** @throws Error if there is none of this name */
  node(name: string): ClusterNode {
    const node = this.nodes.find((one) => one.name === name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  }

  /** kubectl as the cluster's administrator; returns what it printed. @throws CommandError with what it said */
  kubectl(...args: string[]): Promise<string> {
    const kubeconfig = this.plane.kubeconfig('admin', this.plane.adminKeys);
    return runCommand([kubernetesProgram('kubectl'), ...args], {
      timeout: KUBECTL_LIMIT_MS,
      env: { KUBECONFIG: kubeconfig, HOME: this.#directory },
    });
  }

  /** What a selector matches. @param resource as kubectl takes it, `--namespace` and `--selector` after it */
  async list<T = KubeObject>(...resource: string[]): Promise<T[]> {
    return (JSON.parse(await this.kubectl('get', ...resource, '--output=json')) as { items: T[] }).items;
  }

  /** Whether a node says that it is ready. */
  async isReady(name: string): Promise<boolean> {
    const { status } = await this.plane.node(name);
    const conditions = (status?.['conditions'] ?? []) as { type: string; status: string }[];
    return conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    await Promise.all(this.#controllers.map((daemon) => daemon.kill()));
    await this.plane[Symbol.asyncDispose]();
    await this.outside.stop();
    // Processes of a node are gone a moment before their groups are empty.
    await until('groups of nodes to be empty', 10_000, () => {
      removeCgroups();
      return cgroupsLeft().length === 0 ? true : undefined;
    });
  }
}

function controllers(plane: ControlPlane, directory: string): TestDaemon[] {
  const daemon = (
    program: 'kube-controller-manager' | 'kube-scheduler',
    port: number,
    ...flags: string[]
  ): TestDaemon =>
    new TestDaemon({
      name: program,
      command: [
        kubernetesProgram(program),
        `--kubeconfig=${plane.kubeconfig(program, plane.clientCertificate(program, 'system:masters'))}`,
        ...['--leader-elect=false', '--bind-address=127.0.0.1', `--secure-port=${port}`],
        ...flags,
      ],
      log: `${directory}/logs/${program}.log`,
      startLimitMs: START_LIMIT_MS,
      ready: async () => {
        const url = `https://127.0.0.1:${port}/healthz`;
        const response = await fetch(url, { tls: { rejectUnauthorized: false } } as RequestInit);
        if (!response.ok) throw new Error(`${url}: ${response.status}`);
      },
    });
  return [
    daemon(
      'kube-controller-manager',
      10257,
      '--allocate-node-cidrs',
      `--cluster-cidr=${CLUSTER[4]},${CLUSTER[6]}`,
      `--node-cidr-mask-size-ipv4=${NODE_PREFIX[4]}`,
      `--node-cidr-mask-size-ipv6=${NODE_PREFIX[6]}`,
      `--service-cluster-ip-range=${SERVICES[4]},${SERVICES[6]}`,
      `--service-account-private-key-file=${plane.serviceAccountKey}`,
      `--root-ca-file=${plane.authority.certFile}`,
      '--use-service-account-credentials',
      // A node's death is part of what is tried.
      '--node-monitor-grace-period=40s',
    ),
    daemon('kube-scheduler', 10259),
  ];
}
