/** A packet socket in a pod, read by the event loop. */

import type { Ip } from '../../../shared/ip/ip.ts';
import { ipToBytes } from '../../../shared/ip/ip.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import type { Fd, OwnedFd } from '../../../shared/sys/fd.ts';
import { inNetns } from '../../../shared/sys/netns.ts';
import { ETH_P, openPacketSocket, sendFrame } from '../../../shared/sys/packet-socket.ts';
import { openUdpSocket, sendUdp } from '../../../shared/sys/udp-socket.ts';
import type { Lease } from '../client/lease.ts';
import { BROADCAST_IP, BROADCAST_MAC, decodeFrame, encodeFrame } from '../codec/frame.ts';
import type { DhcpMessage } from '../codec/message.ts';
import { decodeMessage, encodeMessage, NO_IP } from '../codec/message.ts';
import { PORT } from '../codec/option-codes.ts';
import { clientFilter } from './filter.ts';
import type { Wire } from './pod.ts';

/** Bun takes a descriptor, but its type declarations (1.4.4) lack this form of the function. */
type ConnectFd = (options: Bun.FdSocketOptions) => Promise<Bun.Socket>;

export interface WireOptions {
  /** The wire takes ownership, also where it cannot be opened. */
  readonly netns: OwnedFd;
  readonly ifindex: number;
  readonly mac: Uint8Array;
  readonly onMessage: (message: DhcpMessage, via: Uint8Array) => void;
  /** The kernel has taken the socket away: the interface went down or away. */
  readonly onClosed: () => void;
}

/** @throws SyscallError ENETDOWN, ENODEV */
export function openWire(options: WireOptions): Wire {
  const { netns, ifindex } = options;
  try {
    const socket = inNetns(netns, () => openPacketSocket(ifindex, ETH_P.IP, clientFilter));
    return new PacketWire(socket, options);
  } catch (error) {
    netns.close();
    throw error;
  }
}

class PacketWire implements Wire {
  readonly #options: WireOptions;
  readonly #fd: Fd;
  readonly #connection: Promise<Bun.Socket | undefined>;
  /** Sends from the pod's address, and takes the answer, which would else be refused by the kernel (ICMP). */
  #udp: OwnedFd | undefined;
  #closed = false;

  constructor(socket: OwnedFd, options: WireOptions) {
    this.#options = options;
    // The runtime owns the descriptor from here on; it stays open until `close`.
    this.#fd = socket.release();
    this.#connection = this.#listen(options);
  }

  broadcast(message: DhcpMessage): void {
    this.#frame(message, NO_IP, BROADCAST_IP, BROADCAST_MAC);
  }

  toServer(message: DhcpMessage, lease: Lease): void {
    const address = ipToBytes(lease.address);
    try {
      this.#udp ??= inNetns(this.#options.netns, () => openUdpSocket({ address, port: PORT.CLIENT }));
      sendUdp(this.#udp.fd, { address: ipToBytes(lease.server), port: PORT.SERVER }, encodeMessage(message));
    } catch (error) {
      // The pod lacks the address, or a way to the server, or has a client of its own.
      if (!isErrno(error, 'EADDRNOTAVAIL', 'EADDRINUSE', 'ENETUNREACH', 'EHOSTUNREACH', 'EPERM')) throw error;
      this.#frame(message, lease.address, BROADCAST_IP, BROADCAST_MAC);
    }
  }

  parting(message: DhcpMessage, lease: Lease): void {
    this.#frame(message, lease.address, lease.server, lease.via);
    // The server may have another MAC address by now, as a bridge has whenever a port with a lower one comes; there is no
    // time to ask for it, as the interface is about to go. Who got the first ignores the second.
    this.broadcast(message);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#udp?.close();
    this.#options.netns.close();
    void this.#connection.then((connection) => connection?.terminate());
  }

  #frame(message: DhcpMessage, source: Ip, destination: Ip, destinationMac: Uint8Array): void {
    if (this.#closed) throw new Error('a wire used after close');
    const payload = encodeMessage(message);
    const ports = { sourcePort: PORT.CLIENT, destinationPort: PORT.SERVER };
    const frame = encodeFrame({
      sourceMac: this.#options.mac,
      destinationMac,
      source,
      destination,
      ...ports,
      payload,
    });
    sendFrame(this.#fd, this.#options.ifindex, frame);
  }

  async #listen({ onMessage, onClosed }: WireOptions): Promise<Bun.Socket | undefined> {
    const lose = (): void => {
      if (this.#closed) return;
      this.close();
      onClosed();
    };
    const connect: ConnectFd = Bun.connect as unknown as ConnectFd;
    try {
      return await connect({
        fd: this.#fd,
        socket: {
          data: (_socket, bytes) => {
            if (!this.#closed) this.#take(bytes, onMessage);
          },
          error: lose,
          close: lose,
        },
      });
    } catch {
      lose();
      return undefined;
    }
  }

  #take(bytes: Uint8Array, onMessage: WireOptions['onMessage']): void {
    const frame = decodeFrame(bytes);
    if (frame?.destinationPort !== PORT.CLIENT) return;
    const message = decodeMessage(frame.payload);
    if (message) onMessage(message, frame.sourceMac);
  }
}
