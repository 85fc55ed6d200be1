import fc from 'fast-check';
import { expect, test } from 'vitest';
import { getNfCounter, newNfCounter } from '../requests/nfacct.ts';
import { hex } from '../testing/golden.ts';
import { DecodeError } from './decode-error.ts';
import { decodeNfCounter } from './nfacct.ts';

// By the definitions of linux/netfilter/nfnetlink_acct.h; that the kernel reads them so, the test beside it shows.
test('a counter is named, and told in network order', () => {
  expect(newNfCounter('drop').payload).toEqual(hex('00000000 09000100 64726f7000 000000'));
  expect(getNfCounter('drop').payload).toEqual(newNfCounter('drop').payload);
  const reply =
    '00000000 09000100 64726f7000 000000 0c000200 000000000000007b 0c000300 000000000000d431 08000400 00000001';
  expect(decodeNfCounter(hex(reply))).toEqual({ name: 'drop', packets: 123n, bytes: 54321n });
  expect(() => decodeNfCounter(hex('00000000 09000100 64726f7000 000000'))).toThrow(DecodeError);
});

test('whatever the bytes are, nothing but a DecodeError is thrown', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        decodeNfCounter(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
    }),
  );
});
