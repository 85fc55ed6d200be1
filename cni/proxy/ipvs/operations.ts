/** Changes as single operations on the kernel, in the order that leaves nobody without an endpoint on the way. Pure. */

import type { Address, Endpoint } from '../model/endpoint.ts';
import { PROTOCOL_NUMBER } from '../model/service-port.ts';
import type { EntryKey, ServerKey } from './keys.ts';
import type { SetKey } from './names.ts';
import type { Changes, ServerChange } from './totals.ts';
import type { WantedServer } from './wanted.ts';

export type Operation =
  | { readonly on: 'entry'; readonly verb: 'add' | 'delete'; readonly set: SetKey; readonly key: EntryKey }
  /** Of our device. */
  | { readonly on: 'address'; readonly verb: 'add' | 'delete'; readonly address: Address }
  | {
      readonly on: 'server';
      readonly verb: 'add' | 'change';
      readonly key: ServerKey;
      readonly server: WantedServer;
    }
  | { readonly on: 'server'; readonly verb: 'delete'; readonly key: ServerKey }
  | {
      readonly on: 'endpoint';
      readonly verb: 'add' | 'change' | 'delete';
      readonly of: ServerKey;
      readonly endpoint: Endpoint;
      /** 1, or 0: no new connections. */
      readonly weight: 0 | 1;
    };

/** Endpoints that serve open connections and get no new ones. */
export interface Draining {
  has(of: ServerKey, endpoint: Endpoint): boolean;
}

/** What is done before the rules of iptables change, and what afterwards. */
export interface Operations {
  readonly before: readonly Operation[];
  readonly after: readonly Operation[];
}

/**
 * What guards and marks comes before what leads there, and goes after it: entries of sets, virtual servers with their
 * endpoints, addresses.
 */
export function operationsOf({ servers, added, removed }: Changes, draining: Draining): Operations {
  const before: Operation[] = added.map((entry) => ({ on: 'entry', verb: 'add', ...entry }));
  const after: Operation[] = [];
  for (const change of servers) {
    const [first, last] = serverOperations(change, draining);
    before.push(...first);
    after.push(...last);
  }
  for (const { set, key } of added) if (set === 'addresses') before.push(addressOperation('add', key));
  for (const entry of removed) after.push({ on: 'entry', verb: 'delete', ...entry });
  for (const { set, key } of removed) if (set === 'addresses') after.push(addressOperation('delete', key));
  return { before, after };
}

export function addressOperation(verb: 'add' | 'delete', key: EntryKey): Operation {
  return { on: 'address', verb, address: key as string as Address };
}

function serverOperations(
  { key, before, after }: ServerChange,
  draining: Draining,
): [Operation[], Operation[]] {
  if (!after) return [[], before ? [{ on: 'server', verb: 'delete', key }] : []];
  if (!before)
    return [
      [
        { on: 'server', verb: 'add', key, server: after },
        ...after.endpoints.map((endpoint) => endpointOperation('add', key, endpoint, 1)),
      ],
      [],
    ];
  const first: Operation[] = [];
  if (!sameServer(before, after)) first.push({ on: 'server', verb: 'change', key, server: after });
  if (before.endpoints === after.endpoints) return [first, []];
  const old = new Set(before.endpoints);
  for (const endpoint of after.endpoints)
    if (!old.delete(endpoint))
      first.push(endpointOperation(draining.has(key, endpoint) ? 'change' : 'add', key, endpoint, 1));
  return [first, [...old].map((endpoint) => removal(key, endpoint))];
}

/** An endpoint that is no longer wanted keeps its connections, where the protocol has such. */
export function removal(of: ServerKey, endpoint: Endpoint): Operation {
  return endpointOperation(isGraceful(of) ? 'change' : 'delete', of, endpoint, 0);
}

export function endpointOperation(
  verb: 'add' | 'change' | 'delete',
  of: ServerKey,
  endpoint: Endpoint,
  weight: 0 | 1,
): Operation {
  return { on: 'endpoint', verb, of, endpoint, weight };
}

/** As kube-proxy: only connections of TCP are waited for. */
export function isGraceful(of: ServerKey): boolean {
  return of.charCodeAt(of.length - 1) === PROTOCOL_NUMBER.TCP;
}

export function sameServer(a: WantedServer, b: WantedServer): boolean {
  return a.flags === b.flags && a.timeout === b.timeout;
}
