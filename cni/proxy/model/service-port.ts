/**
 * What a mode programs: one port of one Service in one address family, with everything decided that does not depend on
 * how it is programmed. Pure.
 */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import type { Address, Endpoint } from './endpoint.ts';

export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** IPPROTO_* of linux/in.h. */
export const PROTOCOL_NUMBER: Readonly<Record<Protocol, number>> = { TCP: 6, UDP: 17, SCTP: 132 };

/** `namespace/name:port`, or `namespace/name` for a port without a name, as kube-proxy's logs and comments have it. */
export type ServicePortName = string;

/** One way to reach a service port. */
export interface Frontend {
  readonly kind: 'cluster-ip' | 'external-ip' | 'load-balancer' | 'node-port';
  /** Absent with a node port: any of the node's addresses that node ports are served on. */
  readonly address?: Address;
  readonly port: number;
  /** Of internalTrafficPolicy for a cluster IP, of externalTrafficPolicy for the others. */
  readonly policy: 'cluster' | 'local';
}

export interface ServicePort {
  readonly name: ServicePortName;
  /** `namespace/name`. */
  readonly service: string;
  readonly protocol: Protocol;
  /** Only those that are this port's: what another service claimed before is not among them. */
  readonly frontends: readonly Frontend[];
  /**
   * For traffic that any endpoint may serve: the ready ones, chosen by hints; where there are none, those that are still
   * serving while they end. Without doubles.
   */
  readonly endpoints: readonly Endpoint[];
  /** Those on this node: the ready ones; where there are none, those still serving while they end. Not chosen by hints. */
  readonly localEndpoints: readonly Endpoint[];
  /** Seconds that a client stays with its endpoint; absent: each connection is a new choice. */
  readonly affinity?: number;
  /** Who may use the load balancer's addresses; absent: everybody. Of this family. */
  readonly sourceRanges?: readonly Cidr[];
  /** The Service's healthCheckNodePort, which this node answers (TCP). */
  readonly healthCheckPort?: number;
}

/** What becomes of a packet to a frontend. */
export type Treatment =
  /** To one of `endpoints` (`cluster`) or of `localEndpoints` (`local`). */
  | { readonly to: 'cluster' | 'local'; readonly masquerade: 'never' | 'from-outside' | 'always' }
  /** externalTrafficPolicy Local: pods are served as inside, the node masqueraded, others by what runs here. */
  | { readonly to: 'by-source' }
  /** No endpoint anywhere: the sender is told. */
  | { readonly to: 'reject' }
  /** Endpoints, but none here, where only those count: silence, so that a load balancer looks elsewhere. */
  | { readonly to: 'drop' };

/**
 * How packets to a frontend are treated.
 *
 * A cluster IP is masqueraded for who comes from outside the pods' network, which takes a detector to tell
 * (`detectsLocal`), or for everybody; what comes from outside is masqueraded unless it stays on this node.
 */
export function treatmentOf(
  port: ServicePort,
  frontend: Frontend,
  settings: { readonly masqueradeAll: boolean; readonly detectsLocal: boolean },
): Treatment {
  const { endpoints, localEndpoints } = port;
  if (endpoints.length === 0 && localEndpoints.length === 0) return { to: 'reject' };
  const isInside = frontend.kind === 'cluster-ip';
  if (frontend.policy === 'local' && !isInside) return { to: 'by-source' };
  const to = frontend.policy;
  if ((to === 'local' ? localEndpoints : endpoints).length === 0) return { to: 'drop' };
  if (!isInside || settings.masqueradeAll) return { to, masquerade: 'always' };
  return { to, masquerade: settings.detectsLocal ? 'from-outside' : 'never' };
}

/** How traffic from this node's pods is told from other traffic (kube-proxy's detectLocalMode). */
export type LocalDetector =
  | { readonly by: 'nothing' }
  /** ClusterCIDR, NodeCIDR: of one family. */
  | { readonly by: 'source'; readonly networks: readonly Cidr[] }
  /** BridgeInterface. */
  | { readonly by: 'bridge'; readonly name: string }
  /** InterfaceNamePrefix. */
  | { readonly by: 'interface-prefix'; readonly prefix: string };
