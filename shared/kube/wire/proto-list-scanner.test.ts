import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Node as NodeMessage } from '#messages/kubernetes';
import { type AnyMessageType, WireError } from '../../grpc/wire/schema.ts';
import { encodeList, encodeStatus } from '../testing/encode-object.ts';
import { decodeStatus } from './decode-status.ts';
import { ProtoListScanner } from './proto-list-scanner.ts';

const NODE = NodeMessage as AnyMessageType;

function scan(bytes: Uint8Array, sizes: readonly number[]): { items: unknown[]; end: unknown } {
  const items: unknown[] = [];
  const scanner = new ProtoListScanner(NODE, (item) => items.push(item));
  for (let at = 0, n = 0; at < bytes.length; n += 1) {
    const size = sizes[n % sizes.length] ?? 1;
    scanner.push(bytes.subarray(at, at + size));
    at += size;
  }
  return { items, end: scanner.end() };
}

const name = fc.string({ minLength: 1, unit: 'grapheme' });
const labels = fc.dictionary(name, fc.string(), { minKeys: 1 });
const node = fc.record(
  {
    metadata: fc.record(
      {
        name,
        resourceVersion: fc.nat().map(String),
        labels,
        annotations: labels,
        creationTimestamp: fc
          .integer({ min: 1, max: 4_000_000_000 })
          .map((seconds) => `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`),
      },
      { requiredKeys: ['name'] },
    ),
    spec: fc.record(
      { podCIDR: name, podCIDRs: fc.array(name, { minLength: 1 }) },
      { requiredKeys: ['podCIDR'] },
    ),
  },
  { requiredKeys: ['metadata'] },
);
const sizes = fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 6 });

describe('a list in protobuf', () => {
  test('gives each item as its JSON would have been, however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(node), fc.nat({ max: 9999 }), sizes, (items, version, cut) => {
        const metadata = { resourceVersion: String(version + 1), continue: 'more' };
        const scanned = scan(encodeList(NODE, metadata, items), cut);
        // A map's key may be __proto__: compared as text.
        expect(JSON.stringify(scanned.items.map(sorted))).toBe(JSON.stringify(items.map(sorted)));
        expect(scanned.end).toEqual({ metadata });
      }),
    );
  });

  test('fields that are sent though they are empty, and unknown ones, are as absent', () => {
    // k8s 0, Unknown.raw: ListMeta { selfLink "", resourceVersion "7", continue "" }, Node { metadata { name "a", generateName "" },
    // spec { podCIDR "", unschedulable false } }
    const meta = [0x0a, 0x00, 0x12, 0x01, 0x37, 0x1a, 0x00];
    const item = [0x0a, 0x05, 0x0a, 0x01, 0x61, 0x12, 0x00, 0x12, 0x04, 0x0a, 0x00, 0x20, 0x00];
    const list = [0x0a, meta.length, ...meta, 0x12, item.length, ...item];
    const bytes = Uint8Array.of(
      0x6b,
      0x38,
      0x73,
      0,
      0x0a,
      0x00,
      0x12,
      list.length,
      ...list,
      0x1a,
      0,
      0x22,
      0,
    );
    expect(scan(bytes, [1])).toEqual({
      items: [{ metadata: { name: 'a' }, spec: {} }],
      end: { metadata: { resourceVersion: '7' } },
    });
  });

  test('what ends early, or is something else, is an error', () => {
    const whole = encodeList(NODE, { resourceVersion: '1' }, [{ metadata: { name: 'a' } }]);
    for (let size = 0; size < whole.length; size += 1)
      expect(() => scan(whole.subarray(0, size), [7]), String(size)).toThrow(WireError);
    expect(() => scan(new TextEncoder().encode('{"kind":"NodeList"}'), [7])).toThrow(WireError);
  });

  test('never fails otherwise, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), sizes, (bytes, cut) => {
        try {
          scan(Uint8Array.of(0x6b, 0x38, 0x73, 0, 0x12, bytes.length, ...bytes), cut);
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
        }
      }),
    );
  });
});

test('a refusal in protobuf', () => {
  const status = { code: 410, reason: 'Expired', message: 'too old', details: { retryAfterSeconds: 3 } };
  expect(decodeStatus(encodeStatus({ status: 'Failure', ...status }))).toEqual({ kind: 'Status', ...status });
  expect(() => decodeStatus(new TextEncoder().encode('busy'))).toThrow(WireError);
});

/** Maps have no order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .map(([key, inner]) => [key, sorted(inner)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
