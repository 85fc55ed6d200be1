import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BACKENDS, FS_TYPES } from './backends/backend.ts';
import {
  formatRecord,
  parseSnapshotRecord,
  parseVolumeRecord,
  RecordError,
  type SnapshotRecord,
  type VolumeRecord,
} from './record.ts';

const shape = {
  size: fc.integer({ min: 1, max: 2 ** 50 }),
  thin: fc.boolean(),
  access: fc.constantFrom('mount' as const, 'block' as const),
  fsType: fc.constantFrom(...FS_TYPES),
  id: fc.stringMatching(/^[a-z0-9-]{1,20}$/),
  name: fc.string({ minLength: 1, unit: 'binary' }),
  state: fc.constantFrom('making' as const, 'ready' as const, 'removing' as const),
  backend: fc.constantFrom(...BACKENDS),
  created: fc.nat(),
};
const volume: fc.Arbitrary<VolumeRecord> = fc.record(
  {
    ...shape,
    origin: fc.record({ type: fc.constantFrom('volume' as const, 'snapshot' as const), id: fc.string() }),
    limits: fc.dictionary(fc.constantFrom('readIOPS', 'writeBPS'), fc.integer({ min: 1 })),
    ephemeral: fc.constant(true as const),
    claim: fc.string(),
  },
  { requiredKeys: [...(Object.keys(shape) as (keyof typeof shape)[]), 'limits'] },
);
const snapshot: fc.Arbitrary<SnapshotRecord> = fc.record(
  { ...shape, source: fc.string(), group: fc.string() },
  { requiredKeys: [...(Object.keys(shape) as (keyof typeof shape)[]), 'source'] },
);

describe('records', () => {
  test('property: read back as they were written', () => {
    fc.assert(
      fc.property(volume, snapshot, (one, other) => {
        expect(parseVolumeRecord(formatRecord(one), one.id)).toEqual(one);
        expect(parseSnapshotRecord(formatRecord(other), other.id)).toEqual(other);
      }),
    );
  });

  test('property: whatever is there, it is a record of that directory or an error that says why', () => {
    const damaged = volume.chain((record) => {
      const text = formatRecord(record);
      return fc.oneof(
        fc.nat(text.length - 2).map((length) => text.slice(0, length)),
        fc
          .constantFrom(...Object.keys(record))
          .chain((key) =>
            fc.anything().map((value) => JSON.stringify({ version: 1, ...record, [key]: value }) ?? ''),
          ),
        fc.json(),
        fc.string(),
      );
    });
    fc.assert(
      fc.property(damaged, (text) => {
        for (const parse of [parseVolumeRecord, parseSnapshotRecord])
          try {
            const record = parse(text, 'pvc-1');
            expect(record.id).toBe('pvc-1');
            expect(Number.isSafeInteger(record.size) && record.size > 0).toBe(true);
            expect(BACKENDS).toContain(record.backend);
          } catch (error) {
            expect(error).toBeInstanceOf(RecordError);
          }
      }),
    );
  });

  test('one of another directory, and one of a later version', () => {
    const [record] = fc.sample(volume, 1) as [VolumeRecord];
    expect(() => parseVolumeRecord(formatRecord(record), 'other.id')).toThrow('another directory');
    const later = JSON.stringify({ ...record, version: 2 });
    expect(() => parseVolumeRecord(later, record.id)).toThrow('version 2');
  });

  test.each([
    ['ephemeral', 'yes'],
    ['claim', 7],
    ['origin', { type: 'volume', id: 7 }],
    ['origin', null],
    ['limits', undefined],
    ['limits', { readIOPS: -1 }],
  ])('a volume whose %s is %j', (key, value) => {
    const [record] = fc.sample(volume, 1) as [VolumeRecord];
    const text = JSON.stringify({ version: 1, ...record, [key]: value });
    expect(() => parseVolumeRecord(text, record.id)).toThrow(RecordError);
  });

  test('a snapshot whose group is none', () => {
    const [record] = fc.sample(snapshot, 1) as [SnapshotRecord];
    const text = JSON.stringify({ version: 1, ...record, group: 7 });
    expect(() => parseSnapshotRecord(text, record.id)).toThrow(RecordError);
  });
});
