import { readStart } from '../../../shared/sys/file.ts';
import type { IpConfig } from '../../protocol/result.ts';

/** The kernel's own limit for one table: gc_thresh3 of arp_tbl and nd_tbl (net/ipv4/arp.c, net/ipv6/ndisc.c). */
const usualLimit = 1024;

/** The number of entries comes first in the second line; the first is a heading of 160 characters. */
const buffer = new Uint8Array(256);

/**
 * Says so on stderr when the node's table of neighbours is nearly full: the kernel has one a family for all namespaces
 * together, so every pod's gateway counts, and when it is full packets are dropped with nothing to be seen in the pods.
 *
 * A look costs 6 µs a family. More happens only above nine tenths of what the kernel allows where nobody raised it. In
 * namespaces other than the machine's own the kernel tells no number, and this does nothing.
 */
export async function watchNeighbourTables(ips: readonly IpConfig[]): Promise<void> {
  let seen: 4 | 6 | undefined;
  for (const { address } of ips) {
    const { family } = address.ip;
    if (family === seen) continue;
    seen = family;
    const entries = countEntries(family);
    if (entries < usualLimit * 0.9) continue;
    (await import('./neighbour-table-full.ts')).warnOfFullTable(family, entries);
  }
}

/** All entries of the table, those that never go included; 0 where the kernel does not tell. */
function countEntries(family: 4 | 6): number {
  let length: number;
  try {
    length = readStart(`/proc/net/stat/${family === 4 ? 'arp' : 'ndisc'}_cache`, buffer);
  } catch {
    // A hint is not worth an ADD.
    return 0;
  }
  let at = 0;
  while (at < length && buffer[at] !== 0x0a) at++;
  let count = 0;
  for (at++; at < length; at++) {
    const digit = Number.parseInt(String.fromCharCode(buffer[at] ?? 0), 16);
    if (Number.isNaN(digit)) break;
    count = count * 16 + digit;
  }
  return count;
}
