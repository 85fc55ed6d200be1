import type { Ip } from '../../../shared/ip/ip.ts';
import type { Accepted } from './record.ts';
import { forgetAccepted } from './record.ts';

/** Takes the addresses out of iptables' rules and firewalld's zones, and then forgets them. */
export async function removeAccepted(all: readonly Accepted[]): Promise<void> {
  const ofIptables: Ip[] = [];
  const ofZones = new Map<string, Ip[]>();
  for (const { address, backend, zone } of all) {
    if (backend === 'iptables') ofIptables.push(address);
    else ofZones.set(zone, [...(ofZones.get(zone) ?? []), address]);
  }
  if (ofIptables.length > 0) await (await import('./iptables-backend.ts')).delByIptables(ofIptables);
  for (const [zone, addresses] of ofZones)
    (await import('./firewalld-backend.ts')).delByFirewalld(zone, addresses);
  for (const { address } of all) forgetAccepted(address);
}
