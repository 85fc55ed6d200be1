import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hex, message } from '../testing/golden.ts';
import { DecodeError } from './decode-error.ts';
import { decodeError, decodeMessages, encodeMessage, NLM_F, NLMSG } from './message.ts';
import { text } from './read.ts';
import { ByteWriter } from './wire.ts';

describe('what the kernel answers', () => {
  test('an acknowledgement (to: ip rule add priority 100 …)', () => {
    // Not capped: the request follows.
    const answer = message(`24000000020000019b09016b880b0000 00000000 44000000200005069b09016b00000000`);
    expect(answer).toMatchObject({ type: NLMSG.ERROR, seq: 0x6b01099b, pid: 0x0b88 });
    expect(decodeError(answer)).toEqual({ errno: 0, unknown: [] });
  });

  test('a refusal with its reason (to: ip route add 10.3.0.1/16 via 10.1.0.2)', () => {
    const answer = message(`6c000000020000029b09016b550b0000 eaffffff
      2c000000180005069b09016b00000000 02100000fe03000100000000 080001000a030001 080005000a010002
      2b000100496e76616c69642070726566697820666f7220676976656e20707265666978206c656e67746800 00`);
    expect(decodeError(answer)).toEqual({
      errno: 22,
      message: 'Invalid prefix for given prefix length',
      unknown: [],
    });
  });

  test('a refusal without a copy of the request, with offset and missing attribute', () => {
    const payload = hex(`eaffffff 30000000100005069b09016b00000000
      0800020010000000 0800050012000000 0800060020000000 0800090007000000`);
    const flags = NLM_F.CAPPED | NLM_F.ACK_TLVS;
    expect(decodeError({ type: NLMSG.ERROR, flags, seq: 1, pid: 1, payload })).toEqual({
      errno: 22,
      offset: 16,
      missingType: 18,
      missingNest: 32,
      unknown: [{ type: 9, nested: false, payload: hex('07000000') }],
    });
  });

  test('one that claims to repeat more of the request than it holds is refused', () => {
    const payload = new Uint8Array(40);
    new DataView(payload.buffer).setUint32(4, 0xffea_0001, true);
    const answer = { type: NLMSG.ERROR, flags: NLM_F.ACK_TLVS, seq: 1, pid: 1, payload };
    expect(() => decodeError(answer)).toThrow(DecodeError);
  });

  test('the end of a dump, well or not', () => {
    const done = { type: NLMSG.DONE, flags: NLM_F.MULTI, seq: 1, pid: 1 };
    expect(decodeError({ ...done, payload: hex('00000000') }).errno).toBe(0);
    expect(decodeError({ ...done, payload: hex('fcffffff') }).errno).toBe(4);
    expect(decodeError({ ...done, payload: hex('') }).errno).toBe(0);
    const flags = done.flags | NLM_F.ACK_TLVS;
    const payload = hex('eaffffff 07000100 6e6f0000');
    expect(decodeError({ ...done, flags, payload })).toMatchObject({ errno: 22, message: 'no' });
  });

  test('a truncated acknowledgement', () => {
    const [answer] = decodeMessages(hex('10000000 0200 0000 00000000 00000000'));
    expect(() => decodeError(answer!)).toThrow(DecodeError);
  });

  test('a message that claims more than there is', () => {
    expect(() => decodeMessages(hex('14000000 0200 0000 00000000 00000000'))).toThrow(DecodeError);
    expect(() => decodeMessages(hex('0f000000 0200 0000 00000000 00000000'))).toThrow(DecodeError);
  });
});

const anyMessage = fc.record({
  type: fc.nat(0xffff),
  flags: fc.nat(0xffff),
  seq: fc.nat(0xffff_ffff),
  pid: fc.nat(0xffff_ffff),
  payload: fc.uint8Array({ maxLength: 40 }),
});

test('messages survive being written and read', () => {
  fc.assert(
    fc.property(fc.array(anyMessage, { maxLength: 5 }), (messages) => {
      const writer = new ByteWriter(0);
      for (const one of messages) writer.bytes(encodeMessage(one));
      expect(decodeMessages(writer.toBytes())).toEqual(messages);
    }),
  );
});

test('any bytes are read as messages or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        for (const one of decodeMessages(bytes)) decodeError(one);
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
    }),
  );
});

test('text in attributes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.boolean(), (value, closed) => {
      fc.pre(!value.includes('\0') && value.isWellFormed());
      const writer = new ByteWriter(1);
      if (closed) writer.attrString(7, value);
      else writer.attrText(7, value);
      expect(writer.length % 4).toBe(0);
      const bytes = writer.toBytes();
      const length = (bytes[0] as number) | ((bytes[1] as number) << 8);
      expect(length - 4 - (closed ? 1 : 0)).toBe(new TextEncoder().encode(value).length);
      expect(text(bytes.subarray(4, length))).toBe(value);
    }),
  );
  expect(() => new ByteWriter().attrString(1, 'a\0b')).toThrow(RangeError);
});

test('an attribute cannot be longer than its length can say', () => {
  const writer = new ByteWriter();
  expect(() => writer.attr(1, new Uint8Array(0xfffc))).toThrow(RangeError);
  const start = writer.beginNest(1);
  writer.zeros(0x10000);
  expect(() => writer.endNest(start)).toThrow(RangeError);
});
