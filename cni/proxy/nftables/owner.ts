/** Whose an element of the shared maps is: for words about one that was refused. Pure. */

import { addressOf } from '../model/endpoint.ts';
import type { ServicePortName } from '../model/service-port.ts';
import type { Change } from './changes.ts';
import { clusterIpsOf, keyOf, type Programmed } from './programmed.ts';

/** @returns the first service port that has it, or nothing where it has gone meanwhile */
export function ownerOf({ map, key }: Change, programmed: Iterable<Programmed>): ServicePortName {
  for (const { port } of programmed) {
    if (map === 'cluster-ips') {
      if (clusterIpsOf(port).some((address) => address === key)) return port.name;
    } else if (map === 'hairpin') {
      if (port.localEndpoints.some((endpoint) => key.startsWith(addressOf(endpoint)))) return port.name;
    } else if (port.frontends.some((frontend) => key.startsWith(keyOf(port, frontend)))) return port.name;
  }
  return '';
}
