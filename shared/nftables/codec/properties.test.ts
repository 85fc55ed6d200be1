import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chain, rawElement, rule, set, table } from '../../../conformance/testing/nftables-values.ts';
import { ByteWriter } from '../../netlink/codec/wire.ts';
import { DATA_TYPES } from '../model/data-type.ts';
import type { Element } from '../model/element.ts';
import { FAMILY_NUMBERS } from '../model/family.ts';
import type { NftSet } from '../model/set.ts';
import { readChain, writeChain } from './chain.ts';
import type { RawElement } from './element.ts';
import { readElement, writeElement } from './element.ts';
import { readElements, writeElements } from './elements.ts';
import { compareKeys, fromRaw, toRaw } from './interval.ts';
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

describe('what is written is read again', () => {
  test('tables', () => {
    fc.assert(
      fc.property(table, (it) => {
        expect(readTable(written((w) => writeTable(w, it), FAMILY_NUMBERS[it.family]))).toEqual(it);
      }),
    );
  });

  test('chains', () => {
    fc.assert(
      fc.property(chain, (it) => {
        expect(readChain(written((w) => writeChain(w, it), FAMILY_NUMBERS[it.family]))).toEqual(it);
      }),
    );
  });

  test('rules, by all of them or by the label alone', () => {
    fc.assert(
      fc.property(rule, (it) => {
        const fill = (w: ByteWriter): void => {
          writeRule(w, it, false);
          w.attrU64be(3, 77n);
        };
        const payload = written(fill, FAMILY_NUMBERS[it.family]);
        const { family: version, table: where, chain: which, comment: why } = it;
        const label = { family: version, table: where, chain: which, handle: 77n };
        expect(readRule(payload)).toEqual({ ...it, handle: 77n });
        expect(readRuleLabel(payload)).toEqual(why === undefined ? label : { ...label, comment: why });
      }),
      { numRuns: 500 },
    );
  });

  test('sets and maps', () => {
    fc.assert(
      fc.property(set, (it) => {
        expect(readSet(written((w) => writeSet(w, it, 7), FAMILY_NUMBERS[it.family]))).toEqual({
          ...it,
          id: 7,
        });
      }),
      { numRuns: 500 },
    );
  });

  test('elements', () => {
    fc.assert(
      fc.property(rawElement, (it) => {
        const writer = new ByteWriter();
        writeElement(writer, 1, it);
        expect(readElement(writer.toBytes().subarray(4))).toEqual(it);
      }),
      { numRuns: 500 },
    );
  });

  test('lists of elements of any length, in as many messages as they need', () => {
    const target: NftSet = { kind: 'set', family: 'ip', table: 't', name: 's', key: [] };
    fc.assert(
      fc.property(fc.array(rawElement, { maxLength: 20 }), fc.integer({ min: 1, max: 200 }), (few, times) => {
        const many = Array.from({ length: times }, () => few).flat();
        const starts: number[] = [];
        const writer = new ByteWriter();
        writeElements(writer, target, many, 12, 0, () => starts.push(writer.length));
        const read: RawElement[] = [];
        starts.forEach((from, i) => {
          readElements(writer.view().subarray(from + 16, starts[i + 1] ?? writer.length), read);
        });
        expect(read).toEqual(many);
      }),
      { numRuns: 30 },
    );
  });
});

describe('ranges', () => {
  const key = fc.uint8Array({ minLength: 2, maxLength: 2 });
  /** Ranges that do not meet, in their order. */
  const ranges: fc.Arbitrary<Element[]> = fc
    .uniqueArray(key, { selector: (k) => k.toHex(), maxLength: 12 })
    .map((keys) => {
      const sorted = keys.sort(compareKeys);
      const found: Element[] = [];
      for (let i = 0; i + 1 < sorted.length; i += 2) found.push({ key: sorted[i]!, keyEnd: sorted[i + 1]! });
      if (sorted.length % 2 === 1) found.push({ key: sorted.at(-1)! });
      return found;
    });

  test('of a plain key become two elements and one again', () => {
    const nets: NftSet = {
      kind: 'set',
      family: 'ip',
      table: 't',
      name: 's',
      key: [DATA_TYPES[0]!],
      interval: true,
    };
    fc.assert(
      fc.property(ranges, (it) => {
        expect(fromRaw(nets, toRaw(nets, it))).toEqual(it);
      }),
    );
  });

  test('of a concatenation keep both ends', () => {
    const pairs: NftSet = {
      kind: 'set',
      family: 'ip',
      table: 't',
      name: 's',
      key: DATA_TYPES.slice(0, 2),
      interval: true,
    };
    fc.assert(
      fc.property(ranges, (it) => {
        expect(fromRaw(pairs, toRaw(pairs, it))).toEqual(it);
      }),
    );
  });
});
