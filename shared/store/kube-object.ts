/** `metadata` of Kubernetes' meta/v1 ObjectMeta: the fields in use are typed, the others are kept as they came. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  /** Set by the store; an update that carries it is a compare-and-swap. */
  readonly resourceVersion?: string;
  /** RFC 3339, set by the store. */
  readonly creationTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly [key: string]: unknown;
}

/** Any object in Kubernetes' own schema. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly [key: string]: unknown;
}

/** Names one object. `namespace` is empty for kinds without namespaces. */
export interface ObjectKey {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** The key under which an object is kept. */
export function keyOf(object: KubeObject): ObjectKey {
  const { name, namespace } = object.metadata;
  return { kind: object.kind, namespace: namespace ?? '', name };
}

/** `pod/default/web-0`, `node/a`: how messages name an object. */
export function formatKey(key: ObjectKey): string {
  const kind = key.kind.toLowerCase();
  return key.namespace === '' ? `${kind}/${key.name}` : `${kind}/${key.namespace}/${key.name}`;
}
