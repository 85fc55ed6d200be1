/** What the proxy reads of its own Node. Pure. */

import { type Cidr, networkOf, parseCidr } from '../../../shared/ip/cidr.ts';
import { familyBits, parseIp } from '../../../shared/ip/ip.ts';
import type { ApiObject } from '../../../shared/kube/types.ts';
import { TO_BE_DELETED_TAINT } from '../health/proxy-health.ts';
import type { NodeView } from './source.ts';

/** Labels of a Node (k8s.io/api/core/v1, well-known labels). */
const ZONE = 'topology.kubernetes.io/zone';

interface NodeParts {
  readonly metadata: { readonly deletionTimestamp?: string };
  readonly spec?: {
    readonly podCIDR?: string;
    readonly podCIDRs?: readonly string[];
    readonly taints?: readonly { readonly key?: string }[];
  };
  readonly status?: { readonly addresses?: readonly { readonly type?: string; readonly address?: string }[] };
}

export function nodeView(node: ApiObject): NodeView {
  const { metadata, spec, status } = node as ApiObject & NodeParts;
  const zone = node.metadata.labels?.[ZONE];
  const cidrs = spec?.podCIDRs ?? (spec?.podCIDR === undefined ? [] : [spec.podCIDR]);
  const ofType = (type: string): Cidr[] =>
    (status?.addresses ?? []).flatMap((entry) => {
      const ip = entry.type === type ? parseIp(entry.address ?? '') : undefined;
      return ip ? [{ ip, prefix: familyBits(ip.family) as number }] : [];
    });
  return {
    ...(zone !== undefined && { zone }),
    podCidrs: cidrs.flatMap((text) => {
      const network = parseCidr(text);
      return network ? [networkOf(network)] : [];
    }),
    addresses: [...ofType('InternalIP'), ...ofType('ExternalIP')],
    isEligible:
      metadata.deletionTimestamp === undefined &&
      !(spec?.taints ?? []).some(({ key }) => key === TO_BE_DELETED_TAINT),
  };
}

export function isSameNode(a: NodeView | undefined, b: NodeView | undefined): boolean {
  return textOf(a) === textOf(b);
}

function textOf(node: NodeView | undefined): string {
  return (
    JSON.stringify(node, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)) ?? ''
  );
}
