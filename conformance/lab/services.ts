/**
 * Services that lead to the lab's pods, in an embedded store, as a node without a control plane has them: pods are named there,
 * with a label, and get their addresses from CNI's results on their node.
 */

import { slowness } from '../testing/slowness.ts';
import { type Family, families } from './addresses.ts';
import type { LabNode } from './node.ts';
import { NodeProxy } from './node-proxy.ts';
import { SHARED, UNDERPOD } from './node-root.ts';
import type { LabOptions } from './options.ts';
import type { Pod } from './pod.ts';
import { PROBE_PORT } from './probe/protocol.ts';

/** The store of agents that use one. */
const STORE = `${SHARED}/store.db`;
/** All nodes have what is written within this time, in ms. */
const CONVERGENCE = 5_000 * slowness;

/** A Service of the lab. */
export interface LabService {
  readonly name: string;
  /** Its addresses, out of the range that kubeadm gives to services. */
  readonly address: Readonly<Record<Family, string>>;
  readonly nodePort?: number;
  readonly hasAffinity?: true;
}

export const EVERYBODY: LabService = {
  name: 'everybody',
  address: { 4: '10.96.0.10', 6: 'fd00:10:96::10' },
  nodePort: 30_710,
};
export const STICKY: LabService = {
  name: 'sticky',
  address: { 4: '10.96.0.11', 6: 'fd00:10:96::11' },
  hasAffinity: true,
};
/** Its pods are made for one check. */
export const ROLLING: LabService = { name: 'rolling', address: { 4: '10.96.0.12', 6: 'fd00:10:96::12' } };

export class Services {
  readonly #options: LabOptions;
  readonly #nodes: readonly LabNode[];
  readonly #proxies: ReadonlyMap<LabNode, NodeProxy>;

  constructor(options: LabOptions, nodes: readonly LabNode[], logs: string) {
    this.#options = options;
    this.#nodes = nodes;
    this.#proxies = new Map(nodes.map((node) => [node, new NodeProxy(node, options, STORE, logs)]));
  }

  /** Starts a node's proxy. */
  async start(node: LabNode): Promise<void> {
    await this.#proxies.get(node)?.start();
  }

  /** Ends with its node. */
  async kill(node: LabNode): Promise<void> {
    await this.#proxies.get(node)?.kill();
  }

  /** Writes the services, and the pods that they choose. @param pods names, with their nodes */
  async announce(pods: readonly { readonly name: string; readonly node: LabNode }[]): Promise<void> {
    const services = [EVERYBODY, STICKY, ROLLING].map((service) => this.#manifest(service));
    const labels = { everybody: 'yes' };
    await this.#apply([...services, ...pods.map(({ name, node }) => podManifest(name, node, labels))]);
  }

  /** A pod of one service: it is known before CNI attaches it, and not ready until that is said. */
  async add(name: string, node: LabNode, { name: service }: LabService): Promise<void> {
    await this.#apply([{ ...podManifest(name, node, { [service]: 'yes' }), status: isReady(false) }]);
  }

  /** It listens. */
  async ready(name: string, node: LabNode, { name: service }: LabService): Promise<void> {
    await this.#apply([{ ...podManifest(name, node, { [service]: 'yes' }), status: isReady(true) }]);
  }

  /** Whoever is connected is served on, and nobody new comes, as long as others are ready. */
  async end(name: string, node: LabNode, { name: service }: LabService): Promise<void> {
    const pod = podManifest(name, node, { [service]: 'yes' });
    const deletionTimestamp = new Date().toISOString();
    const metadata = { ...pod.metadata, deletionTimestamp };
    await this.#apply([{ ...pod, metadata, status: isReady(true) }]);
  }

  async remove(name: string): Promise<void> {
    await this.#anyNode.run([UNDERPOD, 'delete', `pod/${name}`, `--store=${STORE}`]);
  }

  /** Waits until all nodes lead the service to these pods and no others. @throws Error naming a node that does not */
  async converged({ name }: LabService, pods: readonly Pod[], timeout: number = CONVERGENCE): Promise<void> {
    const wanted = pods
      .flatMap((pod) => families(this.#options.ipv).map((family) => pod.address(family)))
      .sort();
    const deadline = performance.now() + timeout;
    const knows = async (node: LabNode): Promise<void> => {
      for (;;) {
        const found = await endpointsOn(node, name);
        if (Bun.deepEquals(found, wanted)) return;
        if (performance.now() > deadline)
          throw new Error(`${node.name} leads service ${name} to ${found.join(', ') || 'nobody'}`);
        await Bun.sleep(10);
      }
    };
    await Promise.all(this.#nodes.filter(({ isUp }) => isUp).map(knows));
  }

  #manifest({ name, address, nodePort, hasAffinity }: LabService): object {
    const used = families(this.#options.ipv);
    return {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'default' },
      spec: {
        clusterIP: address[used[0] ?? 4],
        clusterIPs: used.map((family) => address[family]),
        ipFamilies: used.map((family) => `IPv${family}`),
        // Everybody may be chosen, but for those who are made for one check.
        selector: name === ROLLING.name ? { [name]: 'yes' } : { everybody: 'yes' },
        ports: [{ port: PROBE_PORT, targetPort: PROBE_PORT, ...(nodePort && { nodePort }) }],
        ...(nodePort && { type: 'NodePort' }),
        ...(hasAffinity && { sessionAffinity: 'ClientIP' }),
      },
    };
  }

  async #apply(objects: readonly object[]): Promise<void> {
    const input = objects.map((object) => JSON.stringify(object)).join('\n---\n');
    await this.#anyNode.run([UNDERPOD, 'apply', '-f', '-', `--store=${STORE}`], { input });
  }

  get #anyNode(): LabNode {
    const node = this.#nodes.find(({ isUp }) => isUp);
    if (node === undefined) throw new Error('no node is up');
    return node;
  }
}

interface PodManifest {
  readonly metadata: Readonly<Record<string, unknown>>;
}

function podManifest(
  name: string,
  node: LabNode,
  labels: Readonly<Record<string, string>>,
): PodManifest & object {
  const metadata = { name, namespace: 'default', labels };
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { nodeName: node.name } } as PodManifest;
}

function isReady(ready: boolean): object {
  return { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] };
}

interface ServiceJson {
  readonly ports: readonly {
    readonly endpoints: readonly { readonly at: string; readonly leftOut?: string }[];
  }[];
}

/** Addresses that a node's proxy leads a service to, sorted. */
async function endpointsOn(node: LabNode, service: string): Promise<string[]> {
  const { out } = await node.tryRun([UNDERPOD, 'status', '--json', `service/${service}`]);
  if (out === '') return [];
  return (JSON.parse(out) as ServiceJson).ports
    .flatMap(({ endpoints }) => endpoints)
    .filter(({ leftOut }) => leftOut === undefined)
    .map(({ at }) => at.slice(0, at.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1'))
    .sort();
}
