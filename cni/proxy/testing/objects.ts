/** Services and slices as small as tests want them. */

import type { EndpointSlice, Service } from '../../../shared/kube/types.ts';
import { projectEndpointSlice } from '../model/endpoint-slice.ts';
import { projectService, type ServiceInfo } from '../model/service.ts';
import { ServiceModel } from '../model/service-model.ts';

export function service(name: string, spec: Service['spec'], more: Partial<Service> = {}): Service {
  return {
    metadata: { namespace: 'shop', name },
    spec: { clusterIP: '10.96.0.1', ports: [{ port: 80 }], ...spec },
    ...more,
  };
}

/** @throws Error where nothing is kept of it */
export function project(one: Service): ServiceInfo {
  const info = projectService(one);
  if (!info) throw new Error(`${one.metadata.name} is not kept`);
  return info;
}

export function slice(
  name: string,
  of: string,
  ...endpoints: NonNullable<EndpointSlice['endpoints']>
): EndpointSlice {
  return {
    metadata: { namespace: 'shop', name, labels: { 'kubernetes.io/service-name': of } },
    addressType: 'IPv4',
    endpoints,
    ports: [{ name: '', port: 8080 }],
  };
}

/** Of IPv4, on the node `here`, with nothing left to be taken. */
export function modelOf(services: readonly Service[], slices: readonly EndpointSlice[] = []): ServiceModel {
  const model = new ServiceModel(4);
  for (const one of services) model.setService(`shop/${one.metadata.name}`, projectService(one));
  for (const one of slices) model.setSlice(`shop/${one.metadata.name}`, projectEndpointSlice(one, 'here'));
  model.take();
  return model;
}
