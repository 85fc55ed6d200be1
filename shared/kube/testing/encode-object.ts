/** Objects in protobuf, as an API server sends them: for the fake one. Pure. */

import { ListMeta, Status, Unknown } from '#messages/kubernetes';
import { encode } from '../../grpc/wire/encode.ts';
import type { AnyMessageType, Field } from '../../grpc/wire/schema.ts';
import { MAGIC } from '../wire/proto-list-scanner.ts';

type Values = Readonly<Record<string, unknown>>;

export function encodeList(item: AnyMessageType, metadata: Values, items: readonly Values[]): Uint8Array {
  const fields: Field[] = [
    { number: 1, name: 'metadata', label: 'maybe', kind: 'message', type: () => ListMeta as AnyMessageType },
    { number: 2, name: 'items', label: 'many', kind: 'message', type: () => item },
  ];
  const list: AnyMessageType = { name: 'List', fields };
  return wrapped(encode(list, toWire(list, { metadata, items })));
}

export function encodeStatus(status: Values): Uint8Array {
  return wrapped(encode(Status, toWire(Status as AnyMessageType, status)));
}

function wrapped(raw: Uint8Array): Uint8Array {
  const envelope = encode(Unknown, { typeMeta: { apiVersion: 'v1', kind: 'List' }, raw });
  return Uint8Array.from([...MAGIC, ...envelope]);
}

/** What JSON has as text and protobuf as a message: times. */
function toWire(type: AnyMessageType, object: Values): Values {
  const result: Record<string, unknown> = {};
  for (const field of type.fields) {
    const value = object[field.name];
    if (value === undefined || value === null) continue;
    result[field.name] = Array.isArray(value)
      ? value.map((one) => oneToWire(field, one))
      : oneToWire(field, value);
  }
  return result;
}

function oneToWire(field: Field, value: unknown): unknown {
  const inner = field.label === 'map' ? undefined : field.type?.();
  if (inner === undefined) return value;
  if (inner.name === 'kubernetes.Time')
    return { seconds: BigInt(Math.floor(Date.parse(value as string) / 1000)), nanos: 0 };
  return toWire(inner, value as Values);
}
