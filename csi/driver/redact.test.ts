import { describe, expect, test } from 'vitest';
import * as messages from '#messages/csi';
import { AccessModeMode, NodePublishVolumeRequest } from '#messages/csi';
import { decode } from '../../shared/grpc/wire/decode.ts';
import { encode } from '../../shared/grpc/wire/encode.ts';
import type { AnyMessageType, Field } from '../../shared/grpc/wire/schema.ts';
import { redact } from './redact.ts';

const SECRET = 'hunter2';
const PUBLIC = 'shown';

const types = Object.values(messages).filter(
  (value): value is AnyMessageType => typeof value === 'object' && 'fields' in value,
);

/** A message with every field set: secrets to SECRET, other texts to PUBLIC. */
function filled(type: AnyMessageType, depth = 0): Record<string, unknown> {
  return Object.fromEntries(
    type.fields.flatMap((field) => {
      const value = sampleOf(field, depth);
      return value === undefined ? [] : [[field.name, value]];
    }),
  );
}

function sampleOf(field: Field, depth: number): unknown {
  const text = field.secret ? SECRET : PUBLIC;
  const one = (): unknown => {
    switch (field.kind) {
      case 'message':
        return depth > 6 || !field.type ? undefined : filled(field.type(), depth + 1);
      case 'string':
        return text;
      case 'bytes':
        return new TextEncoder().encode(text);
      case 'bool':
        return true;
      case 'int64':
      case 'uint64':
        return 7n;
      default:
        return 1;
    }
  };
  const value = one();
  if (value === undefined) return undefined;
  if (field.label === 'many') return [value, value];
  return field.label === 'map' ? { key: value } : value;
}

/** Every text in a value, wherever. */
function texts(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(texts);
  return [];
}

describe('a log without secrets', () => {
  test.each(types.map((type) => [type.name, type] as const))('%s', (_name, type) => {
    // As it comes from the wire: with what a decoder adds.
    const message = decode(type, encode(type, filled(type)));
    const shown = redact(type, message);
    expect(JSON.stringify(shown)).not.toContain(SECRET);
    // And nothing else is hidden.
    const secrets = texts(message).filter((text) => text === SECRET).length;
    const open = (list: string[]): number => list.filter((text) => text === PUBLIC).length;
    expect(open(texts(shown))).toBe(open(texts(message)));
    if (secrets > 0) expect(texts(shown)).toContain('***');
    else expect(texts(shown)).not.toContain('***');
  });

  test("the descriptor's secrets are those of the specification", () => {
    const secret = types.flatMap((type) =>
      type.fields.flatMap((field) => (field.secret ? [`${type.name}.${field.name}`] : [])),
    );
    // Every request with credentials has them under this name, and mount_flags is the one field beside.
    const named = types.flatMap((type) =>
      type.fields.flatMap((field) =>
        field.name === 'secrets' || field.name === 'mountFlags' ? [`${type.name}.${field.name}`] : [],
      ),
    );
    expect(secret).toEqual(named);
    expect(secret).toHaveLength(18);
  });

  test('tokens that the kubelet puts into volume_context, secret keys kept, defaults left out', () => {
    const request = decode(
      NodePublishVolumeRequest,
      encode(NodePublishVolumeRequest, {
        volumeId: 'pvc-1',
        secrets: { password: SECRET },
        volumeContext: { 'csi.storage.k8s.io/serviceAccount.tokens': SECRET, pool: 'fast' },
        volumeCapability: {
          mount: { fsType: 'xfs', mountFlags: [SECRET] },
          accessMode: { mode: AccessModeMode.SINGLE_NODE_WRITER },
        },
      }),
    );
    expect(redact(NodePublishVolumeRequest, request)).toEqual({
      volumeId: 'pvc-1',
      secrets: { password: '***' },
      volumeContext: { 'csi.storage.k8s.io/serviceAccount.tokens': '***', pool: 'fast' },
      volumeCapability: {
        mount: { fsType: 'xfs', mountFlags: '***' },
        accessMode: { mode: AccessModeMode.SINGLE_NODE_WRITER },
      },
    });
  });

  test('a key that is called as what every object has', () => {
    const secrets = JSON.parse(`{"__proto__": "${SECRET}", "constructor": "${SECRET}"}`) as Record<
      string,
      string
    >;
    const request = decode(NodePublishVolumeRequest, encode(NodePublishVolumeRequest, { secrets }));
    expect(JSON.stringify(redact(NodePublishVolumeRequest, request))).toBe(
      '{"secrets":{"__proto__":"***","constructor":"***"}}',
    );
  });
});
