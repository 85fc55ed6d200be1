import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { decodeNeighbour, NTF, NUD } from '../../../shared/netlink/codec/neighbour.ts';
import { dumpNeighbours } from '../../../shared/netlink/requests/neighbour.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { writeAll } from '../../../shared/sys/fd.ts';
import { mkdirp, readTextIfExists, writeFile } from '../../../shared/sys/file.ts';
import { readSysctl } from '../../../shared/sys/sysctl.ts';

const directory = '/run/underpod';

/** A look at every entry takes milliseconds where there are thousands, and a log needs the line once a minute at most. */
const pauseMs = 60_000;

/** Writes the line if the table is nearly full by its own limit. Never throws: a hint is not worth an ADD. */
export function warnOfFullTable(family: 4 | 6, entries: number): void {
  try {
    const key = `net/ipv${family}/neigh/default/gc_thresh3`;
    const limit = Number(readSysctl(key) ?? Number.NaN);
    if (!(entries >= limit * 0.9) || wasLookedAt(family)) return;
    const counted = entries - countExempt(family);
    if (counted < limit * 0.9) return;
    const name = key.replaceAll('/', '.');
    const text =
      `underpod: the node's table of IPv${family} neighbours holds ${counted} of at most ${limit} entries; when it is ` +
      `full, packets to new neighbours are dropped. Raise ${name}, and gc_thresh1 and gc_thresh2 with it, for example: ` +
      `sysctl -w ${name}=${limit * 4}\n`;
    writeAll(2, new TextEncoder().encode(text));
  } catch {
    // As above.
  }
}

/** Whether a call of the last minute looked at all entries; notes that this one does. */
function wasLookedAt(family: 4 | 6): boolean {
  const path = `${directory}/neighbours-ipv${family}`;
  const now = Date.now();
  const age = now - Number(readTextIfExists(path) ?? 0);
  if (age >= 0 && age < pauseMs) return true;
  mkdirp(directory);
  writeFile(path, String(now));
  return false;
}

/** Entries that the limit is not for: those that never go, and other programs' (net/core/neighbour.c, since 5.0). */
function countExempt(family: 4 | 6): number {
  using host = NetlinkSocket.open(NETLINK.ROUTE);
  let exempt = 0;
  for (const { payload } of host.dump(dumpNeighbours(family))) {
    const { state, flags } = decodeNeighbour(payload);
    if ((state & NUD.PERMANENT) !== 0 || (flags & NTF.EXT_LEARNED) !== 0) exempt++;
  }
  return exempt;
}
