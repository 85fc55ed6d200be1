import { AF, MSG, SO, SOCK, SOL } from '../sys/constants.ts';
import { SyscallError } from '../sys/errno.ts';
import type { OwnedFd } from '../sys/fd.ts';
import { inNetns } from '../sys/netns.ts';
import {
  bindNetlink,
  getIntOption,
  netlinkPortId,
  openSocket,
  receive,
  send,
  trySetIntOption,
  waitReadable,
} from '../sys/socket.ts';

/** How a netlink socket reaches the kernel. Tests put a scripted one in its place. */
export interface Transport extends Disposable {
  /** The socket's address: nlmsg_pid of the kernel's answers. */
  readonly portId: number;

  /** The socket, where there is a real one. */
  readonly socket?: OwnedFd;

  /** Sends one datagram, which may hold many messages. @throws SyscallError */
  send(bytes: Uint8Array): void;

  /**
   * Receives one datagram.
   * @param waitMs how long to wait for one; 0 not at all
   * @returns its length, which is more than `buffer` holds if it was cut off; -1 when none came in time
   * @throws SyscallError ENOBUFS: answers were lost because the receive buffer was full
   */
  receive(buffer: Uint8Array, waitMs: number): number;

  /** Raises the socket's buffers to this many bytes if they are smaller and it may. Returns what they are then. */
  reserve(send: number, receive: number): BufferSizes;
}

/** Sizes of a socket's buffers in bytes, as the kernel accounts them. */
export interface BufferSizes {
  readonly send: number;
  readonly receive: number;
}

/** Options at level SOL_NETLINK, linux/netlink.h. */
const NETLINK_OPTION = { CAP_ACK: 10, EXT_ACK: 11, GET_STRICT_CHK: 12 } as const;

/**
 * Opens a netlink socket for `protocol` in `netns` or in the calling thread's namespace. It stays in that one.
 * @throws SyscallError EPROTONOSUPPORT when the kernel lacks the protocol
 */
export function openTransport(protocol: number, netns?: OwnedFd): Transport {
  const open = (): OwnedFd => openSocket(AF.NETLINK, SOCK.RAW, protocol);
  const fd = netns === undefined ? open() : inNetns(netns, open);
  try {
    // Reasons for refusals (since 4.12), and acknowledgements that do not repeat the request (4.3).
    trySetIntOption(fd.fd, SOL.NETLINK, NETLINK_OPTION.EXT_ACK, 1);
    trySetIntOption(fd.fd, SOL.NETLINK, NETLINK_OPTION.CAP_ACK, 1);
    // Dumps are filtered as asked, or refused, instead of filters being ignored (4.20).
    trySetIntOption(fd.fd, SOL.NETLINK, NETLINK_OPTION.GET_STRICT_CHK, 1);
    bindNetlink(fd.fd);
    return new KernelTransport(fd);
  } catch (error) {
    fd.close();
    throw error;
  }
}

class KernelTransport implements Transport {
  readonly socket: OwnedFd;
  #portId: number | undefined;
  #sizes: BufferSizes | undefined;

  constructor(fd: OwnedFd) {
    this.socket = fd;
  }

  /** Asked for when it is wanted, which it rarely is. */
  get portId(): number {
    this.#portId ??= netlinkPortId(this.socket.fd);
    return this.#portId;
  }

  send(bytes: Uint8Array): void {
    send(this.socket.fd, bytes);
  }

  receive(buffer: Uint8Array, waitMs: number): number {
    for (;;) {
      try {
        return receive(this.socket.fd, buffer, MSG.DONTWAIT | MSG.TRUNC);
      } catch (error) {
        if (!(error instanceof SyscallError) || error.code !== 'EAGAIN') throw error;
        if (waitMs === 0 || !waitReadable(this.socket.fd, waitMs)) return -1;
      }
    }
  }

  reserve(send: number, receive: number): BufferSizes {
    const fd = this.socket.fd;
    const old = this.#sizes ?? readSizes(fd);
    if (old.send < send) raise(fd, SO.SNDBUFFORCE, SO.SNDBUF, send);
    if (old.receive < receive) raise(fd, SO.RCVBUFFORCE, SO.RCVBUF, receive);
    this.#sizes = old.send < send || old.receive < receive ? readSizes(fd) : old;
    return this.#sizes;
  }

  [Symbol.dispose](): void {
    this.socket.close();
  }
}

/** The kernel doubles what is asked for (socket(7)); FORCE needs CAP_NET_ADMIN, the other stops at net.core.[rw]mem_max. */
function raise(fd: OwnedFd['fd'], force: number, plain: number, size: number): void {
  const half = Math.ceil(size / 2);
  if (!trySetIntOption(fd, SOL.SOCKET, force, half)) trySetIntOption(fd, SOL.SOCKET, plain, half);
}

function readSizes(fd: OwnedFd['fd']): BufferSizes {
  return { send: getIntOption(fd, SOL.SOCKET, SO.SNDBUF), receive: getIntOption(fd, SOL.SOCKET, SO.RCVBUF) };
}
