import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LineScanner } from './line-scanner.ts';
import { ListScanner } from './list-scanner.ts';

/** The text cut into chunks of those sizes. */
function* chunks(text: string, sizes: readonly number[]): Generator<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  for (let n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

function scan(text: string, sizes: readonly number[]): { items: unknown[]; envelope: unknown } {
  const items: unknown[] = [];
  const scanner = new ListScanner((item) => items.push(item));
  for (const chunk of chunks(text, sizes)) scanner.push(chunk);
  return { items, envelope: scanner.end() };
}

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 });
/** Strings that look like the structure they stand in. */
const text = fc.oneof(fc.string(), fc.constantFrom('"items":[', '}]', '\\"', '\\', 'ä{', '[{"', '\\\\'));
const object = fc.dictionary(text, fc.oneof(text, fc.jsonValue()));

test('gives every item of any list, however its bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(object),
      object,
      sizes,
      fc.constantFrom(undefined, 2),
      (items, metadata, cut, space) => {
        const list = {
          kind: 'List',
          metadata: { ...metadata, items: [{ no: 1 }] },
          items,
          last: { items: [2] },
        };
        const scanned = scan(JSON.stringify(list, null, space), cut);
        const plain = JSON.parse(JSON.stringify(list)) as typeof list;
        expect(scanned.items).toEqual(plain.items);
        expect(scanned.envelope).toEqual({ ...plain, items: [] });
      },
    ),
  );
});

test('a list without items, and one that says null', () => {
  expect(scan('{"items":[],"metadata":{"resourceVersion":"5"}}', [3])).toEqual({
    items: [],
    envelope: { items: [], metadata: { resourceVersion: '5' } },
  });
  expect(scan('{"items":null}', [3]).items).toEqual([]);
});

test('what ends too early is an error', () => {
  for (const cut of ['{"items":[{"a":1}', '{"items":[{"a":"', '{"items":[{"a":1', '{"kind":"Li', '']) {
    expect(() => scan(cut, [4])).toThrow(SyntaxError);
  }
});

test('lines come out whole, however their bytes are cut', () => {
  const line = fc.string({ minLength: 1 }).filter((value) => value.trim() !== '' && !value.includes('\n'));
  fc.assert(
    fc.property(fc.array(line), sizes, (lines, cut) => {
      const scanner = new LineScanner();
      const found = [...chunks(lines.map((one) => `${one}\n\n`).join(''), cut)].flatMap((chunk) =>
        scanner.push(chunk),
      );
      expect(found).toEqual(lines);
    }),
  );
});
