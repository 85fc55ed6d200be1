import type { OwnedFd } from '../sys/fd.ts';
import { decodeWireguard, WG_FAMILY, type WireguardDevice } from './codec/wireguard.ts';
import type { WireguardPeer } from './codec/wireguard-peer.ts';
import { keepSteady, wipePrivateKey } from './codec/wireguard-steady.ts';
import { isNetlinkError, NetlinkError } from './error.ts';
import { GenericNetlink } from './generic.ts';
import { getWireguard } from './requests/wireguard.ts';
import type { NetlinkSocket } from './socket.ts';

/** EOPNOTSUPP, asm-generic/errno.h. */
const EOPNOTSUPP = 95;

/** What a device was like at one moment. */
export interface WireguardGlance {
  /**
   * Changes when the device's key, port or mark does, or a peer, its networks, keys or endpoint, and not with handshakes
   * and counters.
   */
  readonly fingerprint: string;
  /** All of it, for who wants it after all. */
  decode(): WireguardDevice | undefined;
}

/** WireGuard's devices of one network namespace. Writing: `socket`, with requests for `family`. */
export class Wireguard implements Disposable {
  readonly #generic: GenericNetlink;

  /** Takes ownership of `generic`. */
  constructor(generic: GenericNetlink) {
    this.#generic = generic;
  }

  static open(options: { readonly netns?: OwnedFd } = {}): Wireguard {
    return new Wireguard(GenericNetlink.open(options));
  }

  get socket(): NetlinkSocket {
    return this.#generic.socket;
  }

  /** The number for requests. @throws NetlinkError where the kernel has no WireGuard */
  get family(): number {
    const family = this.#generic.family(WG_FAMILY);
    if (!family)
      throw new NetlinkError('find WireGuard, which this kernel does not have', { errno: EOPNOTSUPP });
    return family.id;
  }

  /** A device with all its peers; `undefined` when there is none of that index, or it is no WireGuard device. */
  device(index: number): WireguardDevice | undefined {
    try {
      const messages = this.socket.dump(getWireguard(this.family, index));
      return joinParts(messages.map((message) => decodeWireguard(message.payload)));
    } catch (error) {
      if (isNetlinkError(error, 'ENODEV', 'EOPNOTSUPP')) return undefined;
      throw error;
    }
  }

  /** Looks at a device without decoding it; `undefined` as of `device`. Some microseconds a peer, most of them the kernel's. */
  glance(index: number): WireguardGlance | undefined {
    try {
      const messages = this.socket.dump(getWireguard(this.family, index));
      let hash = 0n;
      for (const { payload } of messages) {
        wipePrivateKey(payload);
        const steady = payload.slice();
        keepSteady(steady);
        hash = BigInt(Bun.hash(steady, hash));
      }
      const decode = (): WireguardDevice | undefined =>
        joinParts(messages.map((message) => decodeWireguard(message.payload)));
      return { fingerprint: hash.toString(16), decode };
    } catch (error) {
      if (isNetlinkError(error, 'ENODEV', 'EOPNOTSUPP')) return undefined;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#generic[Symbol.dispose]();
  }
}

/**
 * One device out of several messages: the first has what is its own, and a peer whose networks did not fit is continued
 * in the next (linux/wireguard.h). Pure.
 */
export function joinParts(parts: readonly WireguardDevice[]): WireguardDevice | undefined {
  const [first] = parts;
  if (!first) return undefined;
  const peers: WireguardPeer[] = [];
  for (const part of parts) {
    for (const peer of part.peers ?? []) {
      const last = peers.at(-1);
      if (last && part !== first && sameKey(last, peer)) {
        peers[peers.length - 1] = {
          ...last,
          allowedIps: [...(last.allowedIps ?? []), ...(peer.allowedIps ?? [])],
        };
      } else {
        peers.push(peer);
      }
    }
  }
  return { ...first, peers };
}

function sameKey({ publicKey: a }: WireguardPeer, { publicKey: b }: WireguardPeer): boolean {
  return a.every((byte, at) => byte === b[at]);
}
