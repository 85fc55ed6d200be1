/** Which virtual servers are a service proxy's: those that its sets name. Pure. */

import type { Endpoint } from '../model/endpoint.ts';
import { portOf } from '../model/endpoint.ts';
import { PROTOCOL_NUMBER } from '../model/service-port.ts';
import { type EntryKey, ipPortEntry, portEntry, type ServerKey } from './keys.ts';
import type { SetKey } from './names.ts';

const BY_ADDRESS: readonly SetKey[] = [
  'clusterIp',
  'externalIp',
  'externalIpLocal',
  'loadBalancer',
  'nodePortSctp',
];

export function isNamedBySets(key: ServerKey, sets: ReadonlyMap<SetKey, ReadonlySet<EntryKey>>): boolean {
  const number = key.charCodeAt(key.length - 1);
  const ports =
    number === PROTOCOL_NUMBER.TCP
      ? 'nodePortTcp'
      : number === PROTOCOL_NUMBER.UDP
        ? 'nodePortUdp'
        : undefined;
  if (ports && sets.get(ports)?.has(portEntry(portOf(key.slice(0, -1) as Endpoint)))) return true;
  return BY_ADDRESS.some((set) => sets.get(set)?.has(ipPortEntry(key)));
}
