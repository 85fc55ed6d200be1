import type { Ip } from '../../../shared/ip/ip.ts';
import type { Accepted } from './record.ts';
import { forgetAccepted, isSameAttachment, lockAddresses, readAccepted } from './record.ts';

/**
 * Takes the addresses out of iptables' rules and firewalld's zones, and then forgets them; save those that are noted as
 * another attachment's by now.
 */
export async function removeAccepted(all: readonly Accepted[]): Promise<void> {
  const addresses: Ip[] = [];
  for (const { address } of all) addresses.push(address);
  using _locks = lockAddresses(addresses);
  const own: Accepted[] = [];
  for (const accepted of all) {
    const now = readAccepted(accepted.address);
    if (!now || isSameAttachment(now.key, accepted.key)) own.push(accepted);
  }
  await removeOwn(own);
}

async function removeOwn(own: readonly Accepted[]): Promise<void> {
  const ofIptables: Ip[] = [];
  const ofZones = new Map<string, Ip[]>();
  for (const { address, backend, zone } of own) {
    if (backend === 'iptables') ofIptables.push(address);
    else ofZones.set(zone, [...(ofZones.get(zone) ?? []), address]);
  }
  if (ofIptables.length > 0) await (await import('./iptables-backend.ts')).delByIptables(ofIptables);
  for (const [zone, addresses] of ofZones)
    (await import('./firewalld-backend.ts')).delByFirewalld(zone, addresses);
  for (const { address } of own) forgetAccepted(address);
}
