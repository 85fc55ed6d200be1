import type { OwnedFd } from '../sys/fd.ts';
import {
  decodeIpSetPart,
  decodeIpSetRevision,
  type IpSetEntry,
  type IpSetPart,
  type IpSetSpec,
  type IpSetType,
} from './codec/ipset.ts';
import { NETLINK } from './codec/message.ts';
import { isNetlinkError, NetlinkError } from './error.ts';
import { createIpSet, destroyIpSet, getIpSetType, listIpSet, listIpSetNames } from './requests/ipset.ts';
import { NetlinkSocket } from './socket.ts';

/** Error numbers of the kernel's ip_set.h, which are no errno. */
const IPSET_ERROR: Readonly<Record<number, string>> = {
  4097: 'the kernel speaks another version of the protocol',
  4098: 'the kernel does not have this type of set',
  4099: 'there are as many sets as the kernel takes',
  4100: 'a rule still looks into the set',
  4103: 'the entry is there already, or is not there',
  4104: 'a network of this length cannot be an entry',
  4352: 'the set is full',
};
const BUSY = 4100;

/** IP sets of one network namespace. Writing: `socket`, with requests/ipset.ts. */
export class IpSets implements Disposable {
  readonly socket: NetlinkSocket;
  readonly #revisions = new Map<string, number>();

  /** Takes ownership of `socket`. */
  constructor(socket: NetlinkSocket) {
    this.socket = socket;
  }

  static open(options: { readonly netns?: OwnedFd } = {}): IpSets {
    return new IpSets(NetlinkSocket.open(NETLINK.NETFILTER, options));
  }

  /**
   * Makes a set of the newest revision that the kernel has. One that is there and the same stays.
   * @throws NetlinkError EEXIST where it is of another type or size
   */
  create(spec: Omit<IpSetSpec, 'revision'>): void {
    this.socket.request(createIpSet({ ...spec, revision: this.#revision(spec.type, spec.family) }));
  }

  /** Deletes a set. @returns false where a rule still looks into it */
  destroy(name: string): boolean {
    try {
      this.socket.request(destroyIpSet(name));
      return true;
    } catch (error) {
      if (isNetlinkError(error, 'ENOENT')) return true;
      if (isNetlinkError(error) && error.errno === BUSY) return false;
      throw error;
    }
  }

  /** The names of all sets. */
  names(): string[] {
    return this.socket.dump(listIpSetNames()).map(({ payload }) => decodeIpSetPart(payload).name);
  }

  /** A set's entries; undefined where there is no such set. */
  entries(name: string): IpSetEntry[] | undefined {
    return this.#parts(name)?.flatMap(({ entries }) => entries);
  }

  #parts(name: string): IpSetPart[] | undefined {
    try {
      return this.socket.dump(listIpSet(name)).map(({ payload }) => decodeIpSetPart(payload));
    } catch (error) {
      if (isNetlinkError(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  #revision(type: IpSetType, family: 4 | 6): number {
    const key = `${type} ${family}`;
    let revision = this.#revisions.get(key);
    if (revision === undefined) {
      const [reply] = this.socket.request(getIpSetType(type, family));
      if (!reply) throw new Error(`the kernel says nothing about sets of type ${type}`);
      revision = decodeIpSetRevision(reply.payload);
      this.#revisions.set(key, revision);
    }
    return revision;
  }

  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
  }
}

/** What an error of this subsystem means; `undefined` for others, which say it themselves. */
export function ipSetProblem(error: unknown): string | undefined {
  return error instanceof NetlinkError ? IPSET_ERROR[error.errno] : undefined;
}
