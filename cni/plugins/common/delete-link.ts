/** Deleting a link without waiting for what the kernel does after the link is gone. */

import { RTM, RTNLGRP } from '../../../shared/netlink/codec/constants.ts';
import { encodeMessage, NETLINK, NLM_F, NLMSG } from '../../../shared/netlink/codec/message.ts';
import { i32, u16, u32 } from '../../../shared/netlink/codec/read.ts';
import { delLink } from '../../../shared/netlink/requests/link.ts';
import type { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { killChild, sendFromChild } from '../../../shared/sys/child-send.ts';
import { AF, SOCK } from '../../../shared/sys/constants.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import type { Fd, OwnedFd } from '../../../shared/sys/fd.ts';
import { inNetns } from '../../../shared/sys/netns.ts';
import { monotonicMs } from '../../../shared/sys/process.ts';
import { bindNetlink, openSocket, receive, waitAnyReadable } from '../../../shared/sys/socket.ts';
import type { LinkView } from './link-view.ts';
import { deleteLink, readLink } from './links.ts';

/** How long the child may take before this process does the work itself. Others may hold the kernel's lock meanwhile. */
const patienceMs = 10_000;

/** An event is 1.5 kB; a burst of others' must not displace ours. What is displaced all the same is looked up. */
const bufferBytes = 64 * 1024;

/** What is special about a deletion. */
export interface QuickDelete {
  /** Descriptors whose last close would wait: left to the child. */
  readonly keep?: readonly Fd[];
  /** The link's namespace, where it is not the process's. */
  readonly netns?: OwnedFd;
}

/**
 * Deletes a link, and with a veth its other end, and returns once it is gone: nothing finds it any more, and its name
 * is free. One that is gone already is fine.
 *
 * The kernel holds the sender of the request for another 10 to 40 ms, until nobody can hold a reference to the link. So
 * a child sends it, and this process returns at the kernel's announcement. Where there can be no child, or it fails,
 * this process sends the request and waits.
 *
 * Only for a process that makes one CNI call: a daemon is too large to be copied, and has time.
 *
 * @param socket of the namespace that `link` is in
 */
export function deleteLinkQuickly(socket: NetlinkSocket, link: LinkView, options: QuickDelete = {}): void {
  if (!isCniProcess() || !deleteByChild(socket, link.index, options)) deleteLink(socket, link);
}

/** By the variable that every runtime sets for a plugin's process, and for nothing else. */
export function isCniProcess(): boolean {
  return process.env['CNI_COMMAND'] !== undefined;
}

function deleteByChild(links: NetlinkSocket, index: number, { keep, netns }: QuickDelete): boolean {
  const open = (): OwnedFd => openSocket(AF.NETLINK, SOCK.RAW, NETLINK.ROUTE);
  using socket = netns === undefined ? open() : inNetns(netns, open);
  bindNetlink(socket.fd, 1 << (RTNLGRP.LINK - 1));
  const { type, payload } = delLink({ index });
  // No acknowledgement: a refusal comes without, and success is announced to the group.
  const message = encodeMessage({ type, flags: NLM_F.REQUEST, seq: 1, pid: 0, payload });
  using child = sendFromChild(socket.fd, message, keep);
  if (!child) return false;
  const deadline = monotonicMs() + patienceMs;
  for (;;) {
    const readable = waitAnyReadable([socket.fd, child.fd], Math.max(0, deadline - monotonicMs()));
    if (readable !== socket.fd) {
      // The child has ended without a word, killed perhaps before it could send; or it hangs, and must not stay.
      if (readable === undefined) killChild(child);
      return readLink(links, { index }) === undefined;
    }
    const news = receiveNews(socket.fd, index);
    if (news === 'lost' && readLink(links, { index }) === undefined) return true;
    if (news === 'gone' || news === 'refused') return news === 'gone';
  }
}

type News = 'gone' | 'refused' | 'lost' | 'other';

function receiveNews(fd: Fd, index: number): News {
  const buffer = new Uint8Array(bufferBytes);
  try {
    return newsOf(buffer.subarray(0, receive(fd, buffer)), index);
  } catch (error) {
    // More events than the socket holds.
    if (isErrno(error, 'ENOBUFS')) return 'lost';
    throw error;
  }
}

/**
 * What a datagram says of the link: struct nlmsghdr (length u32, type u16 at 4), then ifinfomsg (family u8, index i32 at
 * 4) or nlmsgerr. A bridge announces with its own family that it has lost a port: that comes before the end.
 */
export function newsOf(datagram: Uint8Array, index: number): News {
  for (let at = 0; at + 32 <= datagram.length; at += (Math.max(16, u32(datagram, at)) + 3) & ~3) {
    const type = u16(datagram, at + 4);
    if (type === RTM.DELLINK && datagram[at + 16] === AF.UNSPEC && i32(datagram, at + 20) === index)
      return 'gone';
    if (type === NLMSG.ERROR) return 'refused';
  }
  return 'other';
}
