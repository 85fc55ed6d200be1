import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inetProto, inetService, ipv4Addr, ipv6Addr, mark } from '../model/data-type.ts';
import type { ElementBlock } from '../model/element-block.ts';
import type { NftMap, NftSet } from '../model/set.ts';
import { Transaction } from '../transaction.ts';
import { typeLength } from './data-types.ts';
import { blockLength, elementsOf } from './element-block.ts';
import { encodeTransaction, messageBound } from './transaction.ts';

const s: NftSet = {
  kind: 'set',
  family: 'ip',
  table: 't',
  name: 's',
  key: [ipv4Addr, inetProto, inetService],
};
const m: NftMap = { ...s, kind: 'map', data: [mark] };
const m6: NftMap = { ...m, key: [ipv6Addr], data: [ipv6Addr, inetService] };

test('a block is on the wire what its elements are, over as many messages', () => {
  const blocks = fc
    .tuple(fc.constantFrom(s, m, m6), fc.integer({ min: 0, max: 3000 }))
    .map(([set, count]): ElementBlock => {
      const fill = (length: number): Uint8Array => Uint8Array.from({ length }, (_, at) => at * 7);
      const keys = fill(count * typeLength(set.key));
      if (set.kind === 'set' || set.data === 'verdict') return { kind: 'block', set, keys };
      return { kind: 'block', set, keys, data: fill(count * typeLength(set.data)) };
    });
  fc.assert(
    fc.property(blocks, fc.boolean(), (block, deletes) => {
      const elements = elementsOf(block);
      const [packed, spread] = deletes
        ? [new Transaction().deleteBlock(block), new Transaction().deleteElements(block.set, elements)]
        : [new Transaction().add(block), new Transaction().addElements(block.set, elements)];
      const batch = encodeTransaction(packed, 1);
      expect(batch.bytes.toHex()).toBe(encodeTransaction(spread, 1).bytes.toHex());
      expect(batch.operations.length).toBe(elements.length === 0 ? 0 : messageBound(packed));
    }),
    { numRuns: 40 },
  );
});

test('keys and values that do not belong together are refused', () => {
  const keys = new Uint8Array(12);
  expect(blockLength({ kind: 'block', set: s, keys })).toBe(1);
  expect(() => blockLength({ kind: 'block', set: s, keys: new Uint8Array(13) })).toThrow(RangeError);
  expect(() => blockLength({ kind: 'block', set: m, keys, data: new Uint8Array(8) })).toThrow(RangeError);
  expect(() => blockLength({ kind: 'block', set: { ...s, interval: true }, keys })).toThrow(RangeError);
});
