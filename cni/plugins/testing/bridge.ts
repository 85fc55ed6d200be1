/** What the tests of type bridge share: networks of their own, and looks at links and addresses. */

import type { Container, Json } from './node.ts';
import { ipJson, run } from './node.ts';

/** An address as `ip -j address` tells it. */
export interface Address {
  readonly local: string;
  readonly prefixlen: number;
  readonly scope: string;
  readonly broadcast?: string;
  readonly nodad?: boolean;
  readonly tentative?: boolean;
}

let networks = 0;

/** A configuration with a name, a bridge and a subnet (10.<n>.0.0/24) that no other has. */
export function network(more: Json = {}, ranges: unknown = undefined): Json {
  networks += 1;
  const subnet = `10.${networks}.0.0/24`;
  return {
    cniVersion: '1.1.0',
    name: `net${networks}`,
    type: 'bridge',
    bridge: `br${networks}`,
    ipam: { type: 'host-local', ranges: ranges ?? [[{ subnet }]] },
    ...more,
  };
}

/** One range set of each family. */
export const dualStack: unknown = [[{ subnet: '10.200.0.0/24' }], [{ subnet: 'fd00:200::/64' }]];

/** The interfaces of a result. */
export function interfaces(result: Json): { name: string; mac: string; sandbox?: string }[] {
  return result['interfaces'] as { name: string; mac: string; sandbox?: string }[];
}

/** The global addresses of what `ip -j address show` tells of one link. */
export function addressesOf(links: Json[]): Address[] {
  const all = (links[0]?.['addr_info'] ?? []) as Address[];
  return all.filter(({ scope }) => scope === 'global');
}

/** What `ip -j link show` tells of a link of the host. */
export function link(name: string): Json {
  return ipJson('link', 'show', name)[0] as Json;
}

/** True if a container gets an answer from an address. */
export function reaches(from: Container, target: string, patience = 2): boolean {
  try {
    run('ip', 'netns', 'exec', from.id, 'ping', '-c1', `-W${patience}`, target);
    return true;
  } catch {
    return false;
  }
}
