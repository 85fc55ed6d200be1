/** What the loop asks of the model: events go in, names of service ports that changed come out. */

import type { ServicePorts } from './mode.ts';
import type { Endpoint, Family } from './model/endpoint.ts';
import type { ServicePortName } from './model/service-port.ts';
import type { Changes, NodeView, Projections } from './sources/source.ts';
import type { ServicePortStatus } from './status.ts';

/** What changed since it was last asked. */
export interface Dirty {
  readonly ports: ReadonlyMap<Family, ReadonlySet<ServicePortName>>;
  /** Services whose health check may be another one: `namespace/name`. */
  readonly services: ReadonlySet<string>;
  /** When what led to it happened, where the control plane says so (ms since the epoch). */
  readonly triggered: ReadonlyMap<Family, readonly number[]>;
}

export interface Catalogue<S = unknown, E = unknown> {
  readonly project: Projections<S, E>;
  services(changes: Changes<S>): void;
  slices(changes: Changes<E>): void;
  /** What of the own Node decides about endpoints. */
  node(node: NodeView | undefined): void;

  /** Works out what changed, and begins anew. */
  take(): Dirty;

  readonly serviceCount: number;
  ports(family: Family): ServicePorts;
  /** Every endpoint of a port that serves, here or elsewhere, chosen or not: what a flow may go on to. */
  serving(family: Family, name: ServicePortName): readonly Endpoint[];
  /** `undefined`: none is asked for. */
  healthCheck(service: string): { readonly port: number; readonly localEndpoints: number } | undefined;
  /** Service ports with a local policy and no endpoint here, by kind of policy. */
  noLocalEndpoints(family: Family): Readonly<Record<'internal' | 'external', number>>;
  /** What several services claim, and what is wrong with objects, for people. */
  problems(): readonly string[];
  /** A Service's ports, endpoint by endpoint, without what the kernel holds; `undefined`: there is none of that name. */
  explain(service: string): ServiceExplanation | undefined;
}

export interface ServiceExplanation {
  readonly ports: readonly (Omit<ServicePortStatus, 'kernel' | 'family'> & { readonly family: Family })[];
  readonly notes: readonly string[];
}
