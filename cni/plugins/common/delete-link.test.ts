import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeMessage } from '../../../shared/netlink/codec/message.ts';
import { newsOf } from './delete-link.ts';

/** struct ifinfomsg: family u8, pad, type u16, index s32, flags u32, change u32. */
function event(type: number, family: number, index: number): Uint8Array {
  const payload = new Uint8Array(16);
  payload[0] = family;
  new DataView(payload.buffer).setInt32(4, index, true);
  return encodeMessage({ type, flags: 0, seq: 0, pid: 0, payload });
}

function datagram(...messages: Uint8Array[]): Uint8Array {
  return new Uint8Array(messages.flatMap((message) => [...message]));
}

const [newLink, delLink, bridgeFamily] = [16, 17, 7];

describe('what an announcement says of the link', () => {
  test.each([
    ['its end', event(delLink, 0, 12), 'gone'],
    [
      'its end, behind others',
      datagram(event(newLink, 0, 12), event(delLink, 0, 11), event(delLink, 0, 12)),
      'gone',
    ],
    ['a bridge’s loss of it', event(delLink, bridgeFamily, 12), 'other'],
    ['the end of another', event(delLink, 0, 11), 'other'],
    ['a change of it', event(newLink, 0, 12), 'other'],
    ['nothing', new Uint8Array(0), 'other'],
    [
      'a refusal',
      encodeMessage({ type: 2, flags: 0, seq: 1, pid: 1, payload: new Uint8Array(20).fill(0xff, 0, 4) }),
      'refused',
    ],
  ] as const)('%s', (_name, bytes, news) => {
    expect(newsOf(bytes, 12)).toBe(news);
  });

  test('any bytes are read to their end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), (bytes, index) => {
        expect(['gone', 'refused', 'other']).toContain(newsOf(bytes, index));
      }),
    );
  });
});
