import fc, { type Arbitrary } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { links } from '../testing/arbitrary-link.ts';
import { addresses, fdbEntries, neighbours, routes, rules } from '../testing/arbitrary-others.ts';
import { filters, qdiscs } from '../testing/arbitrary-tc.ts';
import { decodeAddress, encodeAddress } from './address.ts';
import { DecodeError } from './decode-error.ts';
import { decodeFdb, encodeFdb } from './fdb.ts';
import { decodeLink, encodeLink } from './link.ts';
import { decodeNeighbour, encodeNeighbour } from './neighbour.ts';
import { decodeRoute, encodeRoute } from './route.ts';
import { decodeRule, encodeRule } from './rule.ts';
import { decodeFilter, encodeFilter } from './tc/filter.ts';
import { decodeQdisc, encodeQdisc } from './tc/qdisc.ts';

interface Codec<T> {
  readonly name: string;
  readonly any: Arbitrary<T>;
  readonly encode: (value: T) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => T;
}

function codec<T>(
  name: string,
  any: Arbitrary<T>,
  encode: (value: T) => Uint8Array,
  decode: (bytes: Uint8Array) => T,
): Codec<unknown> {
  return { name, any, encode: encode as (value: unknown) => Uint8Array, decode };
}

const CODECS = [
  codec('links', links, encodeLink, decodeLink),
  codec('addresses', addresses, encodeAddress, decodeAddress),
  codec('routes', routes, encodeRoute, decodeRoute),
  codec('rules', rules, encodeRule, decodeRule),
  codec('neighbours', neighbours, encodeNeighbour, decodeNeighbour),
  codec('forwarding entries', fdbEntries, encodeFdb, decodeFdb),
  codec('qdiscs', qdiscs, encodeQdisc, decodeQdisc),
  codec('filters', filters, encodeFilter, decodeFilter),
];

/** A valid message with some bytes changed, cut off or added: it gets further into a decoder than noise does. */
function damaged(valid: Arbitrary<Uint8Array>): Arbitrary<Uint8Array> {
  const changes = fc.array(fc.record({ at: fc.nat(), to: fc.nat(0xff) }), { maxLength: 3 });
  const cut = fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.nat() });
  return fc.record({ valid, changes, cut, tail: fc.uint8Array({ maxLength: 8 }) }).map((all) => {
    const bytes = new Uint8Array([...all.valid, ...all.tail]);
    for (const { at, to } of all.changes) bytes[at % bytes.length] = to;
    return all.cut === undefined ? bytes : bytes.slice(0, all.cut % bytes.length);
  });
}

describe.each(CODECS)('$name', ({ any, encode, decode }) => {
  test('come back as they were sent, with the attributes that are not modelled', () => {
    fc.assert(
      fc.property(any, (value) => {
        const bytes = encode(value);
        expect(bytes.length % 4).toBe(0);
        expect(decode(bytes)).toEqual(value);
        expect(encode(decode(bytes))).toEqual(bytes);
      }),
      { numRuns: 300 },
    );
  });

  test('damaged bytes are refused by a DecodeError or mean something that can be sent', () => {
    let understood = 0;
    fc.assert(
      fc.property(damaged(any.map(encode)), (bytes) => {
        let value: unknown;
        try {
          value = decode(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
          return;
        }
        understood++;
        expect(decode(encode(value))).toEqual(value);
      }),
      { numRuns: 1000 },
    );
    // Otherwise the test would say little about what lies behind the first check.
    expect(understood).toBeGreaterThan(200);
  });

  test('noise is refused by a DecodeError or understood', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        try {
          decode(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

test('a veth pair inside a veth pair inside … does not exhaust the stack', () => {
  const kind = attribute(1, new TextEncoder().encode('veth'));
  const name = attribute(3, new Uint8Array([118, 0]));
  let link = new Uint8Array(16);
  while (link.length < 60_000) {
    const data = attribute(2, attribute(1, link));
    link = joined(new Uint8Array(16), name, attribute(18, joined(kind, data)));
  }
  expect(decodeLink(link).kind).toMatchObject({
    kind: 'veth',
    peer: { kind: { kind: 'veth', unknown: [{}] } },
  });
});

function attribute(type: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + ((payload.length + 3) & ~3));
  new DataView(bytes.buffer).setUint16(0, payload.length + 4, true);
  new DataView(bytes.buffer).setUint16(2, type, true);
  bytes.set(payload, 4);
  return bytes;
}

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
