/**
 * Objects as the API server sends them in protobuf, decoded to what their JSON would have been: the rest of the code knows
 * one form only. Of large objects (a node is 12 kB, most of it names of images) only the fields in use are looked at. Pure.
 */

import { Reader } from '../../grpc/wire/reader.ts';
import {
  type AnyMessageType,
  type Field,
  type MessageType,
  WIRE,
  WireError,
  wireTypeOf,
} from '../../grpc/wire/schema.ts';

type Values = Record<string, unknown>;

/** What a message has to be called to become a time in text. */
const TIME = 'kubernetes.Time';

/**
 * Decodes one object. Fields that were not sent are absent, and so are empty ones that have no presence of their own: the
 * server sends each text, `""` too, where JSON leaves it out.
 *
 * @throws WireError
 */
export function decodeObject<M>(type: MessageType<M>, bytes: Uint8Array): M {
  return readMessage(new Reader(bytes), type as AnyMessageType) as M;
}

const known = new WeakMap<AnyMessageType, readonly (Field | undefined)[]>();

function fieldsOf(type: AnyMessageType): readonly (Field | undefined)[] {
  const found = known.get(type);
  if (found) return found;
  const fields: Field[] = [];
  for (const field of type.fields) fields[field.number] = field;
  known.set(type, fields);
  return fields;
}

function readMessage(reader: Reader, type: AnyMessageType): Values {
  const values: Values = {};
  const fields = fieldsOf(type);
  while (!reader.done) {
    const tag = reader.uint32();
    const field = fields[tag >>> 3];
    if (tag >>> 3 === 0) throw new WireError(`${type.name}: a field has number 0`);
    if (!field || (tag & 7) !== (field.label === 'map' ? WIRE.LEN : wireTypeOf(field.kind)))
      reader.skip(tag & 7);
    else readField(reader, field, values);
  }
  return values;
}

function readField(reader: Reader, field: Field, values: Values): void {
  const { name, label } = field;
  if (label === 'map') {
    values[name] ??= {};
    readEntry(reader, values[name] as Values);
    return;
  }
  const value = readValue(reader, field);
  if (label === 'many') {
    values[name] ??= [];
    (values[name] as unknown[]).push(value);
  } else if (value !== undefined && (label === 'maybe' || !isEmpty(value))) {
    values[name] = value;
  }
}

function isEmpty(value: unknown): boolean {
  return value === '' || value === 0 || value === false || value === 0n;
}

/** Text to text, as labels and annotations are. */
function readEntry(reader: Reader, entries: Values): void {
  let key = '';
  let value = '';
  const end = reader.enter();
  while (!reader.done) {
    const tag = reader.uint32();
    if (tag === ((1 << 3) | WIRE.LEN)) key = reader.string();
    else if (tag === ((2 << 3) | WIRE.LEN)) value = reader.string();
    else reader.skip(tag & 7);
  }
  reader.leave(end);
  // A key such as __proto__ is a key as any other.
  Object.defineProperty(entries, key, { value, enumerable: true, writable: true, configurable: true });
}

function readValue(reader: Reader, { kind, type, name }: Field): unknown {
  switch (kind) {
    case 'string':
      return reader.string();
    case 'bool':
      return reader.bool();
    case 'int32':
      return reader.int32();
    case 'int64':
      return Number(reader.int64());
    case 'bytes':
      return reader.bytes();
    case 'message': {
      const inner = type?.() as AnyMessageType;
      const end = reader.enter();
      const value = readMessage(reader, inner);
      reader.leave(end);
      return inner.name === TIME ? timeOf(value) : value;
    }
    default:
      throw new WireError(`${name}: no field of Kubernetes is ${kind}`);
  }
}

/** meta/v1 Time's JSON: RFC 3339 in UTC, without fractions. A time that was never set comes as an empty message. */
function timeOf({ seconds }: Values): string | undefined {
  if (typeof seconds !== 'number') return undefined;
  const time = new Date(seconds * 1000);
  return Number.isNaN(time.getTime()) ? undefined : `${time.toISOString().slice(0, 19)}Z`;
}
