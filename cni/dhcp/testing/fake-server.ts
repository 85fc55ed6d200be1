/** A DHCP server that behaves: leases by client id, RFC 2131 section 4.3. */

import type { Ip } from '../../../shared/ip/ip.ts';
import { ipEquals, parseIp } from '../../../shared/ip/ip.ts';
import type { DhcpMessage, DhcpOption } from '../codec/message.ts';
import { BOOT, MESSAGE_TYPE, OPTION } from '../codec/option-codes.ts';
import { byteOption, ipOption, messageType, optionOf, readIp } from '../codec/options.ts';

export class FakeServer {
  readonly address: Ip = parseIp('10.9.0.1') as Ip;
  /** Seconds. */
  leaseTime = 1000;
  /** Does not answer. */
  silent = false;
  /** Of what comes in, this many messages are not seen. */
  loses = 0;
  /** Knows nobody any more, and gives nothing but what follows. */
  next = 10;
  /** Options for every answer, in place of mask and router. */
  extra: readonly DhcpOption[] = [
    byteOption(OPTION.SUBNET_MASK, 255, 255, 255, 0),
    byteOption(OPTION.ROUTER, 10, 9, 0, 1),
  ];
  /** What came in, by type: 'discover', 'request', … */
  readonly seen: string[] = [];
  readonly messages: DhcpMessage[] = [];
  readonly #leases = new Map<string, Ip>();

  /** Client ids with a lease. */
  get clients(): string[] {
    return [...this.#leases.keys()];
  }

  /** Forgets all leases, as after the loss of its disk. */
  forget(): void {
    this.#leases.clear();
  }

  answer(message: DhcpMessage): DhcpMessage | undefined {
    const type = messageType(message);
    this.seen.push(
      Object.entries(MESSAGE_TYPE)
        .find(([, number]) => number === type)?.[0]
        .toLowerCase() ?? '?',
    );
    this.messages.push(message);
    if (this.loses > 0) {
      this.loses -= 1;
      return undefined;
    }
    if (this.silent) return undefined;
    const client = optionOf(message, OPTION.CLIENT_ID)?.toHex() ?? message.chaddr.toHex();
    const known = this.#leases.get(client);
    if (type === MESSAGE_TYPE.RELEASE) this.#leases.delete(client);
    if (type === MESSAGE_TYPE.DISCOVER) {
      const wish = readIp(message, OPTION.REQUESTED_ADDRESS);
      return this.#reply(message, MESSAGE_TYPE.OFFER, known ?? wish ?? this.#free());
    }
    if (type !== MESSAGE_TYPE.REQUEST) return undefined;
    const wanted = readIp(message, OPTION.REQUESTED_ADDRESS) ?? message.ciaddr;
    const chosen = readIp(message, OPTION.SERVER_ID);
    if (chosen && !ipEquals(chosen, this.address)) return undefined;
    const fits = chosen ? true : known !== undefined && ipEquals(known, wanted);
    if (!fits) return this.#reply(message, MESSAGE_TYPE.NAK, { family: 4, value: 0n });
    this.#leases.set(client, wanted);
    return this.#reply(message, MESSAGE_TYPE.ACK, wanted);
  }

  #free(): Ip {
    return parseIp(`10.9.0.${this.next++}`) as Ip;
  }

  #reply(request: DhcpMessage, type: number, yiaddr: Ip): DhcpMessage {
    const seconds = new Uint8Array(4);
    new DataView(seconds.buffer).setUint32(0, this.leaseTime);
    const granted = [{ code: OPTION.LEASE_TIME, data: seconds }, ...this.extra];
    return {
      ...request,
      op: BOOT.REPLY,
      yiaddr,
      options: [
        byteOption(OPTION.MESSAGE_TYPE, type),
        ipOption(OPTION.SERVER_ID, this.address),
        ...(type === MESSAGE_TYPE.NAK ? [] : granted),
      ],
    };
  }
}
