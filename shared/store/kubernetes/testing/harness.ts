/** The registry's contract on an API server, fake or real: what else a cluster does for nodes is done here. */

import type { KubeClient } from '../../../kube/client.ts';
import { isNotFound } from '../../../kube/errors.ts';
import { NODES } from '../../../kube/resource.ts';
import { silentLogger } from '../../../log/logger.ts';
import type { ManualClock } from '../../manual-clock.ts';
import type { NodeInfo, NodeLease } from '../../registry.ts';
import type { RegistryHarness, RegistryLimits } from '../../registry-contract.ts';
import type { PodNetworks } from '../../subnet-allocator.ts';
import { KubernetesRegistry, type KubernetesRegistryOptions } from '../registry.ts';

/** Kubernetes gives the subnets out, keeps Nodes until they are deleted, and knows machines by their names only. */
export const KUBERNETES_LIMITS: RegistryLimits = { noChoice: true, noExpiry: true, oneOfAName: true };

/** Numbers of subnets that are taken, by node. */
type Given = Map<string, number>;

/** Makes the Node with its pod CIDRs first, as the kubelet and kube-controller-manager do, and deletes it at last. */
class ClusterRegistry extends KubernetesRegistry {
  readonly #client: KubeClient;
  readonly #given: Given;

  constructor(options: KubernetesRegistryOptions, cluster: KubeClient, given: Given) {
    super(options);
    this.#client = cluster;
    this.#given = given;
  }

  override async acquire(info: NodeInfo): Promise<NodeLease> {
    if (!this.#given.has(info.name)) {
      const taken = new Set(this.#given.values());
      let number = 1;
      while (taken.has(number)) number += 1;
      this.#given.set(info.name, number);
      const podCIDRs = [`10.244.${number}.0/24`, `fd00:244:0:${number}::/64`];
      await this.#client.create(NODES, {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name: info.name },
        spec: { podCIDR: podCIDRs[0] ?? '', podCIDRs },
      });
    }
    return await super.acquire(info);
  }

  override async release(name: string): Promise<boolean> {
    try {
      await this.#client.delete(NODES, { name });
      this.#given.delete(name);
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }
}

/**
 * @param connect a client of the server, which must have no nodes, with an agent's rights
 * @param cluster one that may make nodes; by default as the agent's
 */
export function harnessFor(
  connect: () => KubeClient,
  networks: PodNetworks,
  clock: ManualClock,
  cluster: KubeClient = connect(),
): RegistryHarness {
  const given: Given = new Map();
  const make = (): ClusterRegistry =>
    new ClusterRegistry(
      {
        client: connect(),
        clock,
        networks,
        annotationPrefix: 'flannel.alpha.coreos.com',
        log: silentLogger,
      },
      cluster,
      given,
    );
  const registry = make();
  const other = make();
  return {
    registry,
    other,
    [Symbol.asyncDispose]: async () => {
      for (const name of [...given.keys()]) await registry.release(name);
      await registry[Symbol.asyncDispose]();
      await other[Symbol.asyncDispose]();
    },
  };
}
