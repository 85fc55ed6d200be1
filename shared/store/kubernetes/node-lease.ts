/** A Node of the API server as a lease. Pure. */

import { type Cidr, containsCidr, formatCidr, networkOf, parseCidr } from '../../ip/cidr.ts';
import type { Node } from '../../kube/types.ts';
import type { NodeLease } from '../registry.ts';
import type { PodNetworks } from '../subnet-allocator.ts';
import { type AnnotationNames, type Annotations, publishedBy } from './annotations.ts';

/** The annotations of a Node. */
export function annotationsIn(node: Node): Annotations {
  return node.metadata.annotations ?? {};
}

/** True for a node that flanneld or the agent has registered. */
export function isManaged(names: AnnotationNames, node: Node): boolean {
  return annotationsIn(node)[names.managed] === 'true';
}

/** The pod CIDRs of a Node, host bits cleared; what is no CIDR is left out. */
export function podCidrsOf({ spec = {} }: Node): Cidr[] {
  const { podCIDRs, podCIDR } = spec;
  const texts = podCIDRs && podCIDRs.length > 0 ? podCIDRs : podCIDR ? [podCIDR] : [];
  return texts.flatMap((text) => {
    const cidr = parseCidr(text);
    return cidr ? [networkOf(cidr)] : [];
  });
}

/**
 * The node's lease: of each family that the cluster has, the pod CIDR that lies inside the cluster's network. A route to
 * any other would lead to addresses that are none of the cluster's. `undefined` where nothing is left.
 */
export function leaseOf(names: AnnotationNames, networks: PodNetworks, node: Node): NodeLease | undefined {
  const cidrs = podCidrsOf(node);
  const within = (family: 4 | 6): Cidr | undefined => {
    const network = (family === 4 ? networks.ipv4 : networks.ipv6)?.network;
    return network && cidrs.find((cidr) => containsCidr(network, cidr));
  };
  const subnet = within(4);
  const subnetV6 = within(6);
  if (!subnet && !subnetV6) return undefined;
  return {
    node: node.metadata.name,
    ...(subnet && { subnet }),
    ...(subnetV6 && { subnetV6 }),
    ...publishedBy(names, annotationsIn(node)),
    expiresAt: Number.POSITIVE_INFINITY,
  };
}

/** What is wrong with a node's pod CIDRs, family by family, with what to do; empty: nothing. */
export function podCidrProblems(networks: PodNetworks, node: Node): string[] {
  const cidrs = podCidrsOf(node);
  const { name } = node.metadata;
  const problems: string[] = [];
  for (const [family, conf] of [
    [4, networks.ipv4],
    [6, networks.ipv6],
  ] as const) {
    if (!conf) continue;
    const own = cidrs.filter((cidr) => cidr.ip.family === family);
    const network = formatCidr(conf.network);
    if (own.length === 0) {
      problems.push(
        `node ${name} has no IPv${family} podCIDR: have kube-controller-manager give it one ` +
          `(--allocate-node-cidrs --cluster-cidr=${network}; kubeadm: --pod-network-cidr), or set spec.podCIDRs`,
      );
    } else if (!own.some((cidr) => containsCidr(conf.network, cidr))) {
      problems.push(
        `node ${name} has the podCIDR ${own.map(formatCidr).join(', ')}, which is not inside ${network} of ` +
          `net-conf.json: make ${family === 4 ? 'Network' : 'IPv6Network'} and kube-controller-manager's --cluster-cidr ` +
          'the same',
      );
    }
  }
  return problems;
}

/** A text that is the same for two Nodes exactly if they mean the same lease. */
export function fingerprint(names: AnnotationNames, node: Node): string {
  const annotations = annotationsIn(node);
  const { managed, type, data, v6Data, publicIp, publicIpV6 } = names;
  const { podCIDRs, podCIDR } = node.spec ?? {};
  const said = [managed, type, data, v6Data, publicIp, publicIpV6].map((name) => annotations[name] ?? null);
  return JSON.stringify([said, podCIDRs ?? podCIDR ?? null]);
}
