/** Objects of a fake API server, as a test of the proxy needs them. */

import type { FakeApiServer } from '../../../shared/kube/testing/fake-api-server.ts';
import type { ApiObject } from '../../../shared/kube/types.ts';

const COLLECTIONS = {
  Service: 'api/v1/services',
  Node: 'api/v1/nodes',
  EndpointSlice: 'apis/discovery.k8s.io/v1/endpointslices',
  ServiceCIDR: 'apis/networking.k8s.io/v1/servicecidrs',
} as const;

type Kind = keyof typeof COLLECTIONS;

export class TestApi {
  readonly server: FakeApiServer;

  constructor(server: FakeApiServer) {
    this.server = server;
  }

  put(kind: Kind, name: string, more: object = {}, meta: object = {}): void {
    const isGlobal = kind === 'Node' || kind === 'ServiceCIDR';
    const key = isGlobal ? name : `default/${name}`;
    const metadata = { name, ...(!isGlobal && { namespace: 'default' }), ...meta };
    const object = { metadata, ...more } as ApiObject;
    const { store } = this.server;
    try {
      store.create(COLLECTIONS[kind], key, object);
    } catch {
      store.replace(COLLECTIONS[kind], key, object);
    }
  }

  delete(kind: Kind, name: string): void {
    const isGlobal = kind === 'Node' || kind === 'ServiceCIDR';
    this.server.store.delete(COLLECTIONS[kind], isGlobal ? name : `default/${name}`);
  }

  service(name: string, clusterIP: string, more: object = {}): void {
    const spec = { clusterIP, ports: [{ port: 80 }], ...more };
    this.put('Service', name, { spec });
  }

  /** @param endpoints addresses; with a node after `@` */
  slice(service: string, ...endpoints: readonly string[]): void {
    const addressType = endpoints[0]?.includes(':') ? 'IPv6' : 'IPv4';
    this.put(
      'EndpointSlice',
      `${service}-1`,
      {
        addressType,
        ports: [{ name: '', port: 8080, protocol: 'TCP' }],
        endpoints: endpoints.map((text) => {
          const [address, nodeName] = text.split('@');
          return { addresses: [address], ...(nodeName !== undefined && { nodeName }) };
        }),
      },
      { labels: { 'kubernetes.io/service-name': service } },
    );
  }
}
