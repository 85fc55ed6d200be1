/** A pod whose interface leads to a fake server. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { formatCidr } from '../../../shared/ip/cidr.ts';
import type { DhcpMessage } from '../codec/message.ts';
import { decodeMessage, encodeMessage } from '../codec/message.ts';
import type { Pod, PodIdentity, Wire } from '../daemon/pod.ts';
import { PodGone } from '../daemon/pod.ts';
import type { FakeServer } from './fake-server.ts';

export class FakePod implements Pod {
  identity: PodIdentity;
  readonly addresses: Set<string> = new Set();
  /** How each message left: 'broadcast', 'server', 'parting'. */
  readonly ways: string[] = [];
  gone = false;
  /** Wires that are open. */
  wires = 0;
  readonly #server: FakeServer;

  constructor(server: FakeServer, ifindex: number = 2) {
    this.#server = server;
    this.identity = { netns: `4:${ifindex}`, ifindex, mac: '02:00:00:00:00:02' };
  }

  connect(onMessage: (message: DhcpMessage, via: Uint8Array) => void): Wire {
    this.requirePresent();
    this.wires += 1;
    let open = true;
    const send = (way: string, message: DhcpMessage): void => {
      if (!open) throw new Error('used after close');
      this.ways.push(way);
      const answer = this.#server.answer(decodeMessage(encodeMessage(message)) as DhcpMessage);
      // Later, as on a real wire.
      void Promise.resolve().then(() => {
        if (answer && open) onMessage(answer, Uint8Array.of(2, 0, 0, 0, 0, 1));
      });
    };
    return {
      broadcast: (message) => send('broadcast', message),
      toServer: (message) => send('server', message),
      parting: (message) => send('parting', message),
      close: () => {
        if (open) this.wires -= 1;
        open = false;
      },
    };
  }

  removeAddress(address: Cidr): void {
    this.requirePresent();
    this.addresses.delete(formatCidr(address));
  }

  restoreAddress(address: Cidr): void {
    this.requirePresent();
    this.addresses.add(formatCidr(address));
  }

  requirePresent(): void {
    if (this.gone) throw new PodGone('the namespace is gone');
  }
}
