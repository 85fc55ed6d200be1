/** The kinds of objects that the embedded store keeps. Pure. */

export interface KindInfo {
  readonly kind: string;
  readonly apiVersion: string;
  readonly plural: string;
  /** kubectl's short names. */
  readonly short: readonly string[];
  readonly namespaced: boolean;
  /** False for what only programs write. */
  readonly applicable: boolean;
}

/** Every kind, in the order in which messages list them. */
export const KINDS: readonly KindInfo[] = [
  { kind: 'Node', apiVersion: 'v1', plural: 'nodes', short: ['no'], namespaced: false, applicable: true },
  { kind: 'Pod', apiVersion: 'v1', plural: 'pods', short: ['po'], namespaced: true, applicable: true },
  {
    kind: 'Service',
    apiVersion: 'v1',
    plural: 'services',
    short: ['svc'],
    namespaced: true,
    applicable: true,
  },
  {
    kind: 'EndpointSlice',
    apiVersion: 'discovery.k8s.io/v1',
    plural: 'endpointslices',
    short: ['eps'],
    namespaced: true,
    applicable: true,
  },
  {
    kind: 'NetworkPolicy',
    apiVersion: 'networking.k8s.io/v1',
    plural: 'networkpolicies',
    short: ['netpol'],
    namespaced: true,
    applicable: true,
  },
  {
    kind: 'Namespace',
    apiVersion: 'v1',
    plural: 'namespaces',
    short: ['ns'],
    namespaced: false,
    applicable: true,
  },
  {
    kind: 'Lease',
    apiVersion: 'coordination.k8s.io/v1',
    plural: 'leases',
    short: [],
    namespaced: true,
    applicable: false,
  },
];

/** The kind of exactly that name: `Node`. */
export function kindOf(kind: string): KindInfo | undefined {
  return KINDS.find((info) => info.kind === kind);
}

/** The kind as an operator types it: singular, plural or short, in any letter case. */
export function findKind(word: string): KindInfo | undefined {
  const lower = word.toLowerCase();
  return KINDS.find(
    (info) => info.kind.toLowerCase() === lower || info.plural === lower || info.short.includes(lower),
  );
}
