/** Deleting many links without waiting for each: for GC. */

import { decodeLink } from '../../../shared/netlink/codec/link.ts';
import { isNetlinkError } from '../../../shared/netlink/error.ts';
import { delLinkGroup, dumpLinks, setLink } from '../../../shared/netlink/requests/link.ts';
import type { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import type { ErrorCollector } from './collect-errors.ts';
import type { LinkView } from './link-view.ts';
import { deleteLink } from './links.ts';

/**
 * How many go together. The kernel holds the lock that all changes of links need for that long: with 64 pairs some
 * 30 ms, as long as for a single one.
 */
export const deleteTogether = 64;

/**
 * Deletes links, with veths their other ends as well, and returns when all are gone. One that is gone already is fine.
 *
 * The kernel keeps whoever deletes a link waiting for RCU's grace periods. For all links of a group it does so once; so
 * they are put into a group that nobody uses. Should that be refused, they go one by one.
 */
export function deleteLinks(host: NetlinkSocket, links: readonly LinkView[], errors: ErrorCollector): void {
  for (let at = 0; at < links.length; at += deleteTogether) {
    const some = links.slice(at, at + deleteTogether);
    if (some.length > 1 && deleteGroup(host, some)) continue;
    for (const link of some) errors.try(() => deleteLink(host, link));
  }
}

/** False where it did not work for all. */
function deleteGroup(host: NetlinkSocket, links: readonly LinkView[]): boolean {
  const group = unusedGroup(host);
  let moved = 0;
  for (const { error } of host.transact(links.map(({ index }) => setLink({ index, group })))) {
    if (!error) moved++;
    else if (!isNetlinkError(error, 'ENODEV')) return false;
  }
  if (moved === 0) return true;
  const [outcome] = host.transact([delLinkGroup(group)]);
  return outcome?.error === undefined || isNetlinkError(outcome.error, 'ENODEV');
}

/** A random number: two GCs at once, of two networks, each have their own. 0 is the group of all that are in no other. */
function unusedGroup(host: NetlinkSocket): number {
  const used = new Set(host.dump(dumpLinks()).map(({ payload }) => decodeLink(payload).group ?? 0));
  const random = new Uint32Array(1);
  do crypto.getRandomValues(random);
  while (used.has(random[0] ?? 0) || random[0] === 0);
  return random[0] ?? 0;
}
