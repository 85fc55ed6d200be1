/** From what the kernel holds to what all ports take. Pure. */

import { type Cidr, contains } from '../../../shared/ip/cidr.ts';
import { type Address, type Endpoint, unpackAddress } from '../model/endpoint.ts';
import { addressOfServer, type EntryKey, type ServerKey } from './keys.ts';
import { SET_KEYS, type SetKey } from './names.ts';
import {
  addressOperation,
  endpointOperation,
  isGraceful,
  type Operation,
  type Operations,
  removal,
} from './operations.ts';
import type { Totals } from './totals.ts';

/** A virtual server as the kernel has it. */
export interface HeldServer {
  readonly scheduler: string;
  /** Bits of IP_VS_SVC_F, but for those that are the kernel's. */
  readonly flags: number;
  readonly timeout: number;
}

export interface HeldEndpoint {
  readonly endpoint: Endpoint;
  readonly weight: number;
  /** Open ones, and such as are remembered for a while after their end. */
  readonly connections: number;
}

/** What the kernel holds of one family. */
export interface Held {
  servers(): ReadonlyMap<ServerKey, HeldServer>;
  endpoints(of: ServerKey): readonly HeldEndpoint[];
  entries(set: SetKey): ReadonlySet<EntryKey>;
  addresses(): ReadonlySet<Address>;
}

export interface Comparison extends Operations {
  /** Endpoints that are not wanted and have connections yet. */
  readonly draining: readonly (readonly [ServerKey, Endpoint])[];
}

/** @param excluded whose virtual servers are somebody else's; all others that nobody wants are removed, as by kube-proxy */
export function compare(
  totals: Totals,
  held: Held,
  { scheduler, excluded }: { readonly scheduler: string; readonly excluded: readonly Cidr[] },
): Comparison {
  const before: Operation[] = [];
  const after: Operation[] = [];
  const draining: [ServerKey, Endpoint][] = [];
  const addresses = held.addresses();
  for (const set of SET_KEYS) {
    const there = held.entries(set);
    for (const key of totals.entries(set))
      if (!there.has(key)) before.push({ on: 'entry', verb: 'add', set, key });
  }
  const servers = held.servers();
  for (const [key, server] of totals.servers) {
    const there = servers.get(key);
    if (!there) before.push({ on: 'server', verb: 'add', key, server });
    else if (
      there.scheduler !== scheduler ||
      there.flags !== server.flags ||
      there.timeout !== server.timeout
    )
      before.push({ on: 'server', verb: 'change', key, server });
    const endpoints = new Map((there ? held.endpoints(key) : []).map((one) => [one.endpoint, one]));
    for (const endpoint of server.endpoints) {
      const known = endpoints.get(endpoint);
      if (known?.weight !== 1) before.push(endpointOperation(known ? 'change' : 'add', key, endpoint, 1));
      endpoints.delete(endpoint);
    }
    for (const [endpoint, { weight }] of endpoints) {
      if (weight > 0 || !isGraceful(key)) after.push(removal(key, endpoint));
      if (isGraceful(key)) draining.push([key, endpoint]);
    }
  }
  for (const key of totals.entries('addresses'))
    if (!addresses.has(key as string as Address)) before.push(addressOperation('add', key));
  for (const key of servers.keys()) {
    const address = unpackAddress(addressOfServer(key));
    if (!totals.servers.has(key) && !excluded.some((network) => contains(network, address)))
      after.push({ on: 'server', verb: 'delete', key });
  }
  for (const set of SET_KEYS)
    for (const key of held.entries(set))
      if (!totals.hasEntry(set, key)) after.push({ on: 'entry', verb: 'delete', set, key });
  for (const address of addresses) {
    const key = address as string as EntryKey;
    if (!totals.hasEntry('addresses', key)) after.push(addressOperation('delete', key));
  }
  return { before, after, draining };
}
