/** The filter, as the kernel runs it: what a packet socket lets through. */

import { describe, expect, test } from 'vitest';
import { freshNetns, ipJson, run } from '../../../conformance/testing/netns.ts';
import { MSG } from '../../../shared/sys/constants.ts';
import { ETH_P, openPacketSocket, sendFrame } from '../../../shared/sys/packet-socket.ts';
import { receive, waitReadable } from '../../../shared/sys/socket.ts';
import { decodeFrame, encodeFrame } from '../codec/frame.ts';
import { exchange } from '../testing/exchange.ts';
import { clientFilter } from './filter.ts';

const available = freshNetns();
if (available) {
  run('ip', 'link', 'add', 'v0', 'up', 'type', 'veth', 'peer', 'name', 'v1');
  run('ip', 'link', 'set', 'v1', 'up');
}

const index = (name: string): number => ipJson<{ ifindex: number }[]>('link', 'show', name)[0]!.ifindex;

/** What comes out at v1 of the frames that go in at v0; the last one always does. */
function passed(...frames: Uint8Array[]): string[] {
  using from = openPacketSocket(index('v0'), ETH_P.IP, clientFilter);
  using to = openPacketSocket(index('v1'), ETH_P.IP, clientFilter);
  for (const frame of [...frames, exchange.ack]) sendFrame(from.fd, index('v0'), frame);
  const seen: string[] = [];
  const buffer = new Uint8Array(2000);
  for (;;) {
    if (!waitReadable(to.fd, 5000)) throw new Error('the last frame did not come');
    const hex = buffer.subarray(0, receive(to.fd, buffer, MSG.DONTWAIT)).toHex();
    if (hex === exchange.ack.toHex()) return seen;
    seen.push(hex);
  }
}

/** An answer with some bytes of its frame changed. */
function changed(...changes: (readonly [at: number, byte: number])[]): Uint8Array {
  const frame = new Uint8Array(exchange.offer);
  for (const [at, byte] of changes) frame[at] = byte;
  return frame;
}

describe.skipIf(!available)('the filter of a DHCP client', () => {
  test('lets answers through, with options in the IP header too', () => {
    const { offer } = exchange;
    // IHL 6: four bytes more before UDP's header.
    const longer = new Uint8Array([...offer.subarray(0, 34), 1, 1, 1, 1, ...offer.subarray(34)]);
    longer[14] = 0x46;
    expect(passed(offer, longer)).toEqual([offer.toHex(), longer.toHex()]);
  });

  test('nothing else', () => {
    const toAnother = encodeFrame({ ...decodeFrame(exchange.offer)!, destinationPort: 53 });
    const tcp = changed([23, 6]);
    const fragment = changed([20, 0], [21, 1]);
    expect(passed(toAnother, tcp, fragment, exchange.discover)).toEqual([]);
  });
});
