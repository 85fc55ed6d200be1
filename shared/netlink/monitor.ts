import { AF, SO, SOCK, SOL } from '../sys/constants.ts';
import type { Fd, OwnedFd } from '../sys/fd.ts';
import { inNetns } from '../sys/netns.ts';
import { bindNetlink, openSocket, setIntOption, trySetIntOption } from '../sys/socket.ts';
import { attachFilter, type FilterInstruction } from '../sys/socket-filter.ts';
import { decodeMessages, type NlMessage } from './codec/message.ts';

export interface MonitorOptions {
  /** NETLINK.ROUTE, …. */
  readonly protocol: number;
  /** Numbers of multicast groups (RTNLGRP), from 1. */
  readonly groups: readonly number[];
  /** By default the calling thread's namespace. It must stay open as long as the monitor. */
  readonly netns?: OwnedFd;
  /** Events, in the order of the kernel. Their bytes may be kept. */
  readonly onMessages: (messages: readonly NlMessage[]) => void;
  /** Events were lost and the monitor listens again: read the tables anew. */
  readonly onResync: () => void;
  /** The monitor could not be kept up and has ended. */
  readonly onError: (error: unknown) => void;
  /** Which datagrams are queued at all, by their bytes from the first message's header on. Default: all. */
  readonly filter?: readonly FilterInstruction[];
  /** Size of the receive buffer in bytes; by default 4 MiB, about 4,000 events. */
  readonly receiveBuffer?: number;
}

const DEFAULT_BUFFER = 4 << 20;
/** Option at level SOL_NETLINK, linux/netlink.h. */
const ADD_MEMBERSHIP = 1;

/** Bun takes a descriptor, but its type declarations (1.4.4) lack this form of the function. */
type ConnectFd = (options: Bun.FdSocketOptions) => Promise<Bun.Socket>;

/**
 * Listens to the kernel's multicast events. What changes after `open` was called is told, so tables that are listed
 * when it has resolved are complete with the events that follow.
 *
 * When events come faster than they are read, the kernel drops some and says ENOBUFS once; the runtime closes the
 * socket then. The monitor opens another and calls `onResync`.
 */
export class NetlinkMonitor implements Disposable {
  readonly #options: MonitorOptions;
  #connection: Bun.Socket | undefined;
  /** Of the connection, which owns it; the runtime says at once when it has closed it. */
  #fd: Fd | undefined;
  #filter: readonly FilterInstruction[] | undefined;
  #overruns = 0;
  #closed = false;

  private constructor(options: MonitorOptions) {
    this.#options = options;
    this.#filter = options.filter;
  }

  /** @throws SyscallError when the socket cannot be opened or a group not be joined */
  static async open(options: MonitorOptions): Promise<NetlinkMonitor> {
    const monitor = new NetlinkMonitor(options);
    await monitor.#connect();
    return monitor;
  }

  /** How often events were lost. */
  get overruns(): number {
    return this.#overruns;
  }

  /** From now on other datagrams are queued; those that are already are not looked at again. */
  setFilter(filter: readonly FilterInstruction[]): void {
    this.#filter = filter;
    if (this.#fd !== undefined) attachFilter(this.#fd, filter);
  }

  /** No callback is called after this. */
  close(): void {
    this.#closed = true;
    this.#fd = undefined;
    this.#connection?.terminate();
    this.#connection = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #connect(): Promise<void> {
    const { onMessages } = this.#options;
    // From here on the kernel queues events; the runtime owns the descriptor.
    const fd = openGroups(this.#options, this.#filter).release();
    let lost = false;
    const lose = (): void => {
      if (lost || this.#closed) return;
      lost = true;
      void this.#recover();
    };
    const connect: ConnectFd = Bun.connect as unknown as ConnectFd;
    const connection = await connect({
      fd,
      socket: {
        data: (_socket, bytes) => {
          if (!this.#closed) onMessages(decodeMessages(bytes));
        },
        error: lose,
        close: lose,
      },
    });
    if (this.#closed) return void connection.terminate();
    this.#connection = connection;
    if (lost) return;
    this.#fd = fd;
    // Another one may have been asked for meanwhile.
    if (this.#filter !== undefined) attachFilter(fd, this.#filter);
  }

  async #recover(): Promise<void> {
    this.#overruns++;
    this.#fd = undefined;
    this.#connection = undefined;
    try {
      await this.#connect();
      if (!this.#closed) this.#options.onResync();
    } catch (error) {
      if (this.#closed) return;
      this.close();
      this.#options.onError(error);
    }
  }
}

function openGroups(options: MonitorOptions, filter: readonly FilterInstruction[] | undefined): OwnedFd {
  const open = (): OwnedFd => openSocket(AF.NETLINK, SOCK.RAW | SOCK.NONBLOCK, options.protocol);
  const socket = options.netns === undefined ? open() : inNetns(options.netns, open);
  try {
    const size = options.receiveBuffer ?? DEFAULT_BUFFER;
    // The kernel doubles the value (socket(7)).
    const half = Math.ceil(size / 2);
    if (!trySetIntOption(socket.fd, SOL.SOCKET, SO.RCVBUFFORCE, half)) {
      trySetIntOption(socket.fd, SOL.SOCKET, SO.RCVBUF, half);
    }
    // Before any group is joined, so that nothing comes past it.
    if (filter !== undefined) attachFilter(socket.fd, filter);
    bindNetlink(socket.fd);
    for (const group of options.groups) setIntOption(socket.fd, SOL.NETLINK, ADD_MEMBERSHIP, group);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}
