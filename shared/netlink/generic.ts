import type { OwnedFd } from '../sys/fd.ts';
import { CONTROL_FAMILY, decodeFamily, encodeFamilyQuery, type GenericFamily } from './codec/generic.ts';
import { NETLINK } from './codec/message.ts';
import { isNetlinkError } from './error.ts';
import { NetlinkSocket } from './socket.ts';

/** Generic netlink: families that get their numbers as the kernel starts, and are found by name. */
export class GenericNetlink implements Disposable {
  readonly socket: NetlinkSocket;
  readonly #families = new Map<string, GenericFamily>();

  /** Takes ownership of `socket`. */
  constructor(socket: NetlinkSocket) {
    this.socket = socket;
  }

  static open(options: { readonly netns?: OwnedFd } = {}): GenericNetlink {
    return new GenericNetlink(NetlinkSocket.open(NETLINK.GENERIC, options));
  }

  /** A family by its name, for which the kernel loads its module; `undefined` where it has none. */
  family(name: string): GenericFamily | undefined {
    const known = this.#families.get(name);
    if (known) return known;
    try {
      const [reply] = this.socket.request({
        type: CONTROL_FAMILY,
        flags: 0,
        payload: encodeFamilyQuery(name),
        replies: true,
        what: `look up netlink family ${name}`,
      });
      if (!reply) return undefined;
      const family = decodeFamily(reply.payload);
      this.#families.set(name, family);
      return family;
    } catch (error) {
      if (isNetlinkError(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
  }
}
