import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { dumpLinks } from '../../../shared/netlink/requests/link.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import type { OwnedFd } from '../../../shared/sys/fd.ts';
import { monotonicMs } from '../../../shared/sys/process.ts';
import { fstat } from '../../../shared/sys/stat.ts';
import { ifnameProblem } from '../../protocol/names.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import { KernelEvents } from '../common/kernel-events.ts';
import type { LinkView } from '../common/link-view.ts';
import { viewLink } from '../common/link-view.ts';
import { readLink } from '../common/links.ts';
import { openPodNetnsIfExists } from '../common/pod-netns.ts';
import { findTaken, moveOut, nameReturned } from './move.ts';
import type { Taken } from './record.ts';
import { forgetTaken, readTaken } from './record.ts';

/** What is known of an attachment beside its note. */
export interface Known {
  /** Path of the container's namespace. */
  readonly netns?: string | undefined;
  /** How long to wait for a device that the kernel is about to give back. */
  readonly patienceMs: number;
}

/**
 * Gives the device of an attachment back to the host, wherever it is: in the container, or where the container's
 * namespace has ended on the host already, under another name. None is fine. On the host nothing is touched without a
 * note: an alias alone may be anybody's.
 *
 * The note stays where a real device is nowhere to be seen: somebody keeps the namespace without its path, and a later GC
 * finds the device once it is back.
 */
export function giveBack(key: AttachmentKey, known: Known): void {
  const note = readTaken(key);
  using host = NetlinkSocket.open(NETLINK.ROUTE);
  using netns = known.netns === undefined ? openNoted(note) : openPodNetnsIfExists(known.netns);
  if (netns) {
    using pod = NetlinkSocket.open(NETLINK.ROUTE, { netns });
    const found = findInside(host, pod, key.ifname, note?.device);
    if (found) moveOut(host, pod, found.link, found.original);
  } else if (note?.isReal && !awaitReturn(host, note.device, known.patienceMs)) return;
  if (note) forgetTaken(key);
}

/** The namespace that the device was moved to; undefined where it has ended and its path may be another's by now. */
function openNoted(note: Taken | undefined): OwnedFd | undefined {
  const netns = openPodNetnsIfExists(note?.netns);
  if (netns === undefined || fstat(netns.fd).ino === note?.inode) return netns;
  netns.close();
  return undefined;
}

interface Found {
  readonly link: LinkView;
  readonly original: string;
}

function findInside(
  host: NetlinkSocket,
  pod: NetlinkSocket,
  ifname: string,
  noted: string | undefined,
): Found | undefined {
  if (noted === undefined) {
    // Upstream's: its alias is its name. Another interface may have one of any kind.
    const link = readLink(pod, { name: ifname });
    return link && !ifnameProblem(link.alias) ? { link, original: link.alias } : undefined;
  }
  const link = findTaken(pod, ifname, noted);
  if (link) return { link, original: noted };
  // A container that may change its links may have given it another alias. Where the host has the device, it never left.
  const named = readLink(host, { name: noted }) ? undefined : readLink(pod, { name: ifname });
  return named && { link: named, original: noted };
}

/** The kernel ends a namespace in a work queue, after its last user has gone. False when the time is over. */
function awaitReturn(host: NetlinkSocket, original: string, patienceMs: number): boolean {
  using events = KernelEvents.open('links');
  const deadline = monotonicMs() + patienceMs;
  do if (nameAsBefore(host, original)) return true;
  while (events.wait(deadline - monotonicMs()));
  return false;
}

/**
 * A real device returns by itself, with its alias; under the container's name for it, or where that is taken as dev<n>.
 *
 * @returns whether the host has it
 */
function nameAsBefore(host: NetlinkSocket, original: string): boolean {
  if (readLink(host, { name: original })) return true;
  for (const { payload } of host.dump(dumpLinks())) {
    const link = viewLink(payload);
    if (link.alias !== original) continue;
    nameReturned(host, link, original);
    return true;
  }
  return false;
}
