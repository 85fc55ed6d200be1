import { describe, expect, test } from 'vitest';
import * as messages from '#messages/csi';
import {
  ControllerCalls,
  CreateVolumeGroupSnapshotRequest,
  CreateVolumeRequest,
  GroupControllerCalls,
  NodeCalls,
} from '#messages/csi';
import { decode } from '../../shared/grpc/wire/decode.ts';
import type { AnyMessageType, UnaryMethod } from '../../shared/grpc/wire/schema.ts';
import { keysOf } from './keys.ts';

type AnyMethod = UnaryMethod<object, object>;

const calls = Object.entries({ ...ControllerCalls, ...NodeCalls, ...GroupControllerCalls }) as [
  string,
  AnyMethod,
][];

describe('what a call works on', () => {
  test.each(calls)('%s: nothing where nothing is named', (_name, { request }) => {
    expect(keysOf(decode(request, new Uint8Array()))).toEqual([]);
  });

  test.each(calls.filter(([name]) => !name.startsWith('list')))(
    '%s: everything that has an id',
    (_name, { request }) => {
      // Whatever names a volume, a snapshot or a group in its own fields, by whatever name.
      const named = (request as AnyMessageType).fields.filter(
        ({ name, kind }) =>
          kind === 'string' && (name === 'name' || (/Ids?$/.test(name) && name !== 'nodeId')),
      );
      const message = decode(request, new Uint8Array()) as Record<string, unknown>;
      for (const { name, label } of named)
        message[name] = label === 'many' ? [`${name}-1`, `${name}-2`] : name;
      const keys = keysOf(message);
      const values = named.flatMap(({ name, label }) =>
        label === 'many' ? [`${name}-1`, `${name}-2`] : [name],
      );
      expect(keys.map((key) => key.split(' ')[1]).sort()).toEqual(values.sort());
    },
  );

  test('a list holds nobody up, whatever it asks for', () => {
    const request = {
      ...decode(messages.ListSnapshotsRequest, new Uint8Array()),
      sourceVolumeId: 'v',
      snapshotId: 's',
    };
    expect(keysOf(request)).toEqual([]);
  });

  test('what a volume is made from is held as well', () => {
    const request = decode(CreateVolumeRequest, new Uint8Array());
    expect(keysOf({ ...request, name: 'n', volumeContentSource: { volume: { volumeId: 'v' } } })).toEqual([
      'volume v',
      'name n',
    ]);
    expect(keysOf({ ...request, name: 'n', volumeContentSource: { snapshot: { snapshotId: 's' } } })).toEqual(
      ['snapshot s', 'name n'],
    );
  });

  test("a volume and a snapshot with the same id, and a snapshot's and a group's name, are different things", () => {
    const group = {
      ...decode(CreateVolumeGroupSnapshotRequest, new Uint8Array()),
      name: 'x',
      sourceVolumeIds: ['x'],
    };
    expect(new Set(keysOf(group)).size).toBe(2);
  });
});
