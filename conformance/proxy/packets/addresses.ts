/** The addresses of the packet tests' small cluster, by family. Pure. */

import {
  type Address,
  type Endpoint,
  endpointOf,
  type Family,
  parseAddress,
} from '../../../cni/proxy/model/endpoint.ts';

/** Who may open a connection: pods on this node, the node, hosts beyond its network, a pod elsewhere. */
export type Client = 'pod' | 'local1' | 'local2' | 'node' | 'outside' | 'stranger';

/** Who may answer. `local3` has no endpoint at first; remote ones are one namespace. */
export type Server = 'local1' | 'local2' | 'remote1' | 'remote2';

export interface Addresses {
  readonly family: Family;
  readonly clients: Readonly<Record<Client, string>>;
  readonly servers: Readonly<Record<Server, string>>;
  /** The node's: towards pods, the other node, the outside and strangers. */
  readonly node: readonly string[];
  /** The one by which the outside reaches it. */
  readonly nodeOutside: string;
  readonly loopback: string;
  readonly podNetwork: string;
  /** Where the outside is, and not the strangers. */
  readonly outsideNetwork: string;
  readonly serviceNetwork: string;
  readonly clusterIps: readonly [string, string, string, string];
  readonly unusedClusterIp: string;
  readonly externalIps: readonly [string, string, string, string];
}

/** Where every server listens, with TCP and UDP. */
export const SERVER_PORT = 8080;

export const ADDRESSES: Readonly<Record<Family, Addresses>> = {
  4: {
    family: 4,
    clients: {
      pod: '10.244.1.50',
      local1: '10.244.1.1',
      local2: '10.244.1.2',
      node: '172.16.0.1',
      outside: '198.51.100.7',
      stranger: '203.0.113.7',
    },
    servers: { local1: '10.244.1.1', local2: '10.244.1.2', remote1: '10.244.2.1', remote2: '10.244.2.2' },
    node: ['10.244.1.254', '172.17.0.1', '172.16.0.1', '172.18.0.1'],
    nodeOutside: '172.16.0.1',
    loopback: '127.0.0.1',
    podNetwork: '10.244.0.0/16',
    outsideNetwork: '198.51.100.0/24',
    serviceNetwork: '10.96.0.0/16',
    clusterIps: ['10.96.0.1', '10.96.0.2', '10.96.0.3', '10.96.0.4'],
    unusedClusterIp: '10.96.0.99',
    externalIps: ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'],
  },
  6: {
    family: 6,
    clients: {
      pod: 'fd00:244:1::50',
      local1: 'fd00:244:1::1',
      local2: 'fd00:244:1::2',
      node: 'fd00:16::1',
      outside: '2001:db8:7::7',
      stranger: '2001:db8:9::7',
    },
    servers: {
      local1: 'fd00:244:1::1',
      local2: 'fd00:244:1::2',
      remote1: 'fd00:244:2::1',
      remote2: 'fd00:244:2::2',
    },
    node: ['fd00:244:1::fe', 'fd00:17::1', 'fd00:16::1', 'fd00:18::1'],
    nodeOutside: 'fd00:16::1',
    loopback: '::1',
    podNetwork: 'fd00:244::/32',
    outsideNetwork: '2001:db8:7::/48',
    serviceNetwork: 'fd00:96::/112',
    clusterIps: ['fd00:96::1', 'fd00:96::2', 'fd00:96::3', 'fd00:96::4'],
    unusedClusterIp: 'fd00:96::99',
    externalIps: ['2001:db8:2::1', '2001:db8:2::2', '2001:db8:2::3', '2001:db8:2::4'],
  },
};

export function packedAddress(text: string): Address {
  const found = parseAddress(text);
  if (found === undefined) throw new Error(`not an address: ${text}`);
  return found;
}

export function endpointOfServer({ servers }: Addresses, server: Server): Endpoint {
  return endpointOf(packedAddress(servers[server]), SERVER_PORT);
}
