/** What the kernel holds for a port, in words. */

import { type Endpoint, formatEndpoint } from '../model/endpoint.ts';
import type { Held } from './compare.ts';
import { addressOfServer, type EntryKey } from './keys.ts';
import type { Wanted } from './wanted.ts';

export function explain(wanted: Wanted, held: Held): string[] {
  const servers = held.servers();
  const addresses = held.addresses();
  const lines: string[] = [];
  for (const key of wanted.servers.keys()) {
    const name = formatEndpoint(key.slice(0, -1) as Endpoint);
    const server = servers.get(key);
    if (!server) {
      lines.push(`virtual server ${name}: missing`);
      continue;
    }
    const stays = server.timeout > 0 ? `, clients stay for ${server.timeout} s` : '';
    const address = addressOfServer(key);
    const isMissing =
      wanted.entries.get('addresses')?.has(address as string as EntryKey) && !addresses.has(address);
    const unbound = isMissing ? ', its address is missing on the device' : '';
    lines.push(`virtual server ${name}: ${server.scheduler}${stays}${unbound}`);
    for (const { endpoint, weight, connections } of held.endpoints(key)) {
      const draining = weight === 0 ? ', no new ones' : '';
      lines.push(`real server ${formatEndpoint(endpoint)} of ${name}: ${connections} connections${draining}`);
    }
  }
  return lines;
}
