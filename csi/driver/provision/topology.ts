/** Where volumes can be reached from: the protocol's segments as Kubernetes' node affinity, and back. Pure. */

import type { NodeSelector, PersistentVolume, StorageClass } from '../../../shared/kube/storage-types.ts';

/** A node's keys and values: `{ 'local.underpod.io/node': 'a' }`. */
export type Segments = Readonly<Record<string, string>>;

type Affinity = NonNullable<PersistentVolume['spec']['nodeAffinity']>;

/** From what CreateVolume answered; nothing where a volume can be reached from everywhere. */
export function affinityOf(topologies: readonly { readonly segments: Segments }[]): Affinity | undefined {
  if (topologies.length === 0) return undefined;
  const nodeSelectorTerms = topologies
    .filter(({ segments }) => Object.keys(segments).length > 0)
    .map(({ segments }) => ({
      matchExpressions: Object.entries(segments).map(([key, value]) => ({
        key,
        operator: 'In',
        values: [value],
      })),
    }));
  return { required: { nodeSelectorTerms } };
}

/** True where a volume can be reached from a node with these segments, as far as they tell. */
export function isReachable(affinity: Affinity | undefined, segments: Segments | undefined): boolean {
  if (!segments || !affinity?.required) return true;
  return affinity.required.nodeSelectorTerms.some((term) => isTermMet(term, segments));
}

function isTermMet(term: NodeSelector['nodeSelectorTerms'][number], segments: Segments): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  // An empty term selects nothing, and fields of the Node are not known here.
  if (matchExpressions.length === 0 || matchFields.length > 0) return false;
  return matchExpressions.every(({ key, operator, values = [] }) => {
    const value = segments[key];
    switch (operator) {
      case 'In':
        return value !== undefined && values.includes(value);
      case 'NotIn':
        return value === undefined || !values.includes(value);
      case 'Exists':
        return value !== undefined;
      case 'DoesNotExist':
        return value === undefined;
      default:
        return false;
    }
  });
}

/** True where a class lets volumes be made on such a node. */
export function isAllowed({ allowedTopologies = [] }: StorageClass, segments: Segments | undefined): boolean {
  if (allowedTopologies.length === 0 || !segments) return true;
  return allowedTopologies.some(({ matchLabelExpressions = [] }) =>
    matchLabelExpressions.every(({ key, values }) => {
      const value = segments[key];
      return value !== undefined && values.includes(value);
    }),
  );
}
