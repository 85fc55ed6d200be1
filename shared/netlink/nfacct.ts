import type { OwnedFd } from '../sys/fd.ts';
import { NETLINK } from './codec/message.ts';
import { decodeNfCounter, type NfCounter } from './codec/nfacct.ts';
import { isNetlinkError } from './error.ts';
import { delNfCounter, getNfCounter, newNfCounter } from './requests/nfacct.ts';
import { NetlinkSocket } from './socket.ts';

/** Any name: the kernel says that there is none, unless it knows no counters at all. */
const PROBE = 'any';

/** Netfilter's named counters of one network namespace. */
export class NfCounters implements Disposable {
  readonly #socket: NetlinkSocket;

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** @returns `undefined` where the kernel does not have them (NETFILTER_NETLINK_ACCT), or does not let us */
  static open(options: { readonly netns?: OwnedFd } = {}): NfCounters | undefined {
    const counters = new NfCounters(NetlinkSocket.open(NETLINK.NETFILTER, options));
    try {
      counters.get(PROBE);
      return counters;
    } catch {
      counters[Symbol.dispose]();
      return undefined;
    }
  }

  /** Makes a counter, unless it is there. @throws NetlinkError */
  ensure(name: string): void {
    try {
      this.#socket.request(newNfCounter(name));
    } catch (error) {
      if (!isNetlinkError(error, 'EBUSY', 'EEXIST')) throw error;
    }
  }

  /** @returns `undefined`: there is none. @throws NetlinkError */
  get(name: string): NfCounter | undefined {
    try {
      const [reply] = this.#socket.request(getNfCounter(name));
      return reply && decodeNfCounter(reply.payload);
    } catch (error) {
      if (isNetlinkError(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  /** Deletes a counter. @returns false while a rule counts into it. @throws NetlinkError */
  delete(name: string): boolean {
    try {
      this.#socket.request(delNfCounter(name));
      return true;
    } catch (error) {
      if (isNetlinkError(error, 'ENOENT')) return true;
      if (isNetlinkError(error, 'EBUSY')) return false;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}
