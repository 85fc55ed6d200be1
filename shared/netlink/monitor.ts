import type { OwnedFd } from '../sys/fd.ts';
import type { NlMessage } from './codec/message.ts';

export interface MonitorOptions {
  /** NETLINK.ROUTE, …. */
  readonly protocol: number;
  /** Numbers of multicast groups (RTNLGRP), from 1. */
  readonly groups: readonly number[];
  /** By default the calling thread's namespace. */
  readonly netns?: OwnedFd;
  /** Events, in the order of the kernel. */
  readonly onMessages: (messages: readonly NlMessage[]) => void;
  /** Events were lost and the monitor listens again: read the tables anew. */
  readonly onResync: () => void;
  /** The monitor could not be kept up and has ended. */
  readonly onError?: (error: unknown) => void;
  /** Size of the receive buffer in bytes. */
  readonly receiveBuffer?: number;
}

/** Listens to the kernel's multicast events. List the tables after `open` has resolved, then nothing is missed. */
export class NetlinkMonitor implements Disposable {
  static async open(options: MonitorOptions): Promise<NetlinkMonitor> {
    throw new Error(`not built yet: ${options.protocol}`);
  }

  /** How often events were lost. */
  get overruns(): number {
    return 0;
  }

  close(): void {}

  [Symbol.dispose](): void {
    this.close();
  }
}
