/** Kubernetes' own objects, as far as anything here reads or writes them; what else they hold is kept. Pure. */

/** meta/v1 ObjectMeta. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  /** Opaque; an update that carries it is a compare-and-swap. */
  readonly resourceVersion?: string;
  /** RFC 3339. */
  readonly creationTimestamp?: string;
  /** RFC 3339; the object is being deleted, and goes when its last finalizer does. */
  readonly deletionTimestamp?: string;
  readonly finalizers?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
}

/** meta/v1 OwnerReference: who takes this object along when it goes. */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
}

/** Any object. The items of a list carry neither `apiVersion` nor `kind`: the list says it for all of them. */
export interface ApiObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
}

/** core/v1 Node. */
export interface Node extends ApiObject {
  readonly spec?: { readonly podCIDR?: string; readonly podCIDRs?: readonly string[] };
  readonly status?: {
    readonly conditions?: readonly NodeCondition[];
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
  };
}

export interface NodeCondition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason?: string;
  readonly message?: string;
  /** RFC 3339. */
  readonly lastHeartbeatTime?: string;
  readonly lastTransitionTime?: string;
}

/** core/v1 Pod. */
export interface Pod extends ApiObject {
  readonly spec?: { readonly nodeName?: string; readonly hostNetwork?: boolean };
  readonly status?: { readonly phase?: string; readonly podIPs?: readonly { readonly ip: string }[] };
}

/** core/v1 Service. */
export interface Service extends ApiObject {
  readonly spec?: {
    readonly type?: string;
    readonly clusterIP?: string;
    readonly clusterIPs?: readonly string[];
    readonly ports?: readonly {
      readonly name?: string;
      readonly protocol?: string;
      readonly port?: number;
      readonly nodePort?: number;
    }[];
    readonly externalIPs?: readonly string[];
    readonly sessionAffinity?: string;
    readonly sessionAffinityConfig?: { readonly clientIP?: { readonly timeoutSeconds?: number } };
    readonly loadBalancerSourceRanges?: readonly string[];
    readonly externalTrafficPolicy?: string;
    readonly internalTrafficPolicy?: string;
    readonly healthCheckNodePort?: number;
  };
  readonly status?: {
    readonly loadBalancer?: {
      readonly ingress?: readonly { readonly ip?: string; readonly ipMode?: string }[];
    };
  };
}

/** discovery.k8s.io/v1 EndpointSlice. */
export interface EndpointSlice extends ApiObject {
  readonly addressType?: string;
  readonly endpoints?: readonly {
    readonly addresses?: readonly string[];
    readonly conditions?: {
      readonly ready?: boolean;
      readonly serving?: boolean;
      readonly terminating?: boolean;
    };
    readonly nodeName?: string;
    readonly zone?: string;
    readonly hints?: {
      readonly forZones?: readonly { readonly name?: string }[];
      readonly forNodes?: readonly { readonly name?: string }[];
    };
  }[];
  readonly ports?: readonly { readonly name?: string; readonly protocol?: string; readonly port?: number }[];
}

/** meta/v1 Status: what the API server answers in place of an object. */
export interface Status {
  readonly kind: 'Status';
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly details?: {
    readonly retryAfterSeconds?: number;
    readonly causes?: readonly { readonly reason?: string }[] | null;
  };
}

/** The metadata of a list. */
export interface ListMeta {
  readonly resourceVersion: string;
  /** Given back, it asks for the next page. */
  readonly continue?: string;
}

/**
 * One line of a watch. A bookmark has nothing but a resourceVersion: everything up to it has been told. An `ERROR` is
 * never handed out: it becomes a KubeError.
 */
export interface WatchEvent<T extends ApiObject> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: T;
}
