/** Whose an operation is: found out when one has failed, so that nobody else pays for it. Pure. */

import type { ServicePorts } from '../mode.ts';
import type { ServicePortName } from '../model/service-port.ts';
import type { EntryKey } from './keys.ts';
import type { Operation } from './operations.ts';
import { type IpvsSettings, type Wanted, wantedOf } from './wanted.ts';

export function ownersOf(
  operation: Operation,
  ports: ServicePorts,
  settings: IpvsSettings,
): ServicePortName[] {
  const owners: ServicePortName[] = [];
  for (const port of ports) if (takes(wantedOf(port, settings), operation)) owners.push(port.name);
  return owners;
}

function takes(wanted: Wanted, operation: Operation): boolean {
  switch (operation.on) {
    case 'entry':
      return wanted.entries.get(operation.set)?.has(operation.key) ?? false;
    case 'address':
      return wanted.entries.get('addresses')?.has(operation.address as string as EntryKey) ?? false;
    case 'server':
      return wanted.servers.has(operation.key);
    case 'endpoint':
      return wanted.servers.has(operation.of);
    default:
      return operation satisfies never;
  }
}
