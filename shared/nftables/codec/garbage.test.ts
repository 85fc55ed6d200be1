import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  chain,
  expressions,
  rawElement,
  rule,
  set,
  table,
} from '../../../conformance/testing/nftables-values.ts';
import { DecodeError } from '../../netlink/codec/decode-error.ts';
import { ByteWriter } from '../../netlink/codec/wire.ts';
import type { Expression } from '../model/expression.ts';
import { FAMILY_NUMBERS } from '../model/family.ts';
import { readChain, writeChain } from './chain.ts';
import { readElement } from './element.ts';
import { readElements, writeElements } from './elements.ts';
import { readExpressions, writeExpressions } from './expression.ts';
import { readGeneration } from './generation.ts';
import { readRule, writeRule } from './rule.ts';
import { readRuleLabel } from './rule-label.ts';
import { readSet, writeSet } from './set.ts';
import { readTable, writeTable } from './table.ts';

/** The payload that `fill` writes, behind the header of a message. */
function written(fill: (writer: ByteWriter) => void, number: number = FAMILY_NUMBERS.inet): Uint8Array {
  const writer = new ByteWriter();
  writer.bytes(Uint8Array.of(number, 0, 0, 0));
  fill(writer);
  return writer.toBytes();
}

describe('bytes of any kind are read or refused with DecodeError', () => {
  const readers: [string, (bytes: Uint8Array) => unknown][] = [
    ['table', readTable],
    ['chain', readChain],
    ['rule', readRule],
    ['rule label', readRuleLabel],
    ['set', readSet],
    ['elements', (payload) => readElements(payload, [])],
    ['element', readElement],
    ['expressions', readExpressions],
    ['generation', readGeneration],
  ];
  const valid = fc.oneof(
    table.map((it) => written((w) => writeTable(w, it))),
    chain.map((it) => written((w) => writeChain(w, { ...it, family: 'inet' }))),
    rule.map((it) => written((w) => writeRule(w, it, false))),
    set.map((it) => written((w) => writeSet(w, it, 1))),
    fc.array(rawElement, { maxLength: 5 }).map((list) => {
      const writer = new ByteWriter();
      writeElements(
        writer,
        { kind: 'set', family: 'ip', table: 't', name: 's', key: [] },
        list,
        12,
        0,
        () => 0,
      );
      return writer.toBytes().slice(16);
    }),
  );
  const damaged = fc
    .tuple(valid, fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }), fc.nat(8))
    .map(([payload, changes, cut]) => {
      const copy = payload.slice(0, Math.max(0, payload.length - cut));
      for (const [at, value] of changes) if (copy.length > 0) copy[at % copy.length] = value;
      return copy;
    });

  test.each(readers)('%s', (_, read) => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), damaged), (garbage) => {
        try {
          read(garbage);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('expressions that were damaged are written back as they were read', () => {
    fc.assert(
      fc.property(
        expressions,
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 3 }),
        (list, changes) => {
          const writer = new ByteWriter();
          writeExpressions(writer, 4, list);
          const payload = writer.toBytes().slice(4);
          for (const [at, value] of changes) if (payload.length > 0) payload[at % payload.length] = value;
          let first: Expression[];
          try {
            first = readExpressions(payload);
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError);
            return;
          }
          const again = new ByteWriter();
          writeExpressions(again, 4, first);
          expect(readExpressions(again.toBytes().slice(4))).toEqual(first);
        },
      ),
      { numRuns: 500 },
    );
  });
});
