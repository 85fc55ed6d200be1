/** Which kind of objects a request is about, and where the API server keeps them. Pure. */

import {
  EndpointSlice as EndpointSliceMessage,
  Node as NodeMessage,
  Service as ServiceMessage,
} from '#messages/kubernetes';
import type { AnyMessageType } from '../grpc/wire/schema.ts';
import type { ApiObject, EndpointSlice, Node, Pod, Service } from './types.ts';

/** A kind of objects, typed by what its objects look like. */
export interface Resource<T extends ApiObject = ApiObject> {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  /**
   * What its objects are in protobuf: lists are asked for in that form then, which takes the server half the processor
   * time. Absent for what the server keeps in JSON alone, as custom resources.
   */
  readonly message?: AnyMessageType;
  /** Only carries the type; there is never a value. */
  readonly object?: T;
}

export const NODES: Resource<Node> = {
  group: '',
  version: 'v1',
  plural: 'nodes',
  message: NodeMessage as AnyMessageType,
};
export const SERVICES: Resource<Service> = {
  group: '',
  version: 'v1',
  plural: 'services',
  message: ServiceMessage as AnyMessageType,
};
export const ENDPOINT_SLICES: Resource<EndpointSlice> = {
  group: 'discovery.k8s.io',
  version: 'v1',
  plural: 'endpointslices',
  message: EndpointSliceMessage as AnyMessageType,
};
export const PODS: Resource<Pod> = { group: '', version: 'v1', plural: 'pods' };

/** What a path names: a collection, or one object of it, or a part of that. */
export interface Target {
  readonly namespace?: string;
  readonly name?: string;
  /** `status`, `scale`, … */
  readonly subresource?: string;
}

/** `/api/v1/nodes/a/status`, `/apis/discovery.k8s.io/v1/namespaces/x/endpointslices`. */
export function pathOf(resource: Resource, target: Target = {}): string {
  const { group, version, plural } = resource;
  const parts = group === '' ? ['api', version] : ['apis', group, version];
  if (target.namespace !== undefined) parts.push('namespaces', target.namespace);
  parts.push(plural);
  if (target.name !== undefined) parts.push(target.name);
  if (target.subresource !== undefined) parts.push(target.subresource);
  return `/${parts.map(encodeURIComponent).join('/')}`;
}
