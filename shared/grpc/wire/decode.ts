/** Bytes to messages. Fields that nobody knows are passed over. Pure. */

import { Reader } from './reader.ts';
import { type AnyMessageType, type Field, type MessageType, WIRE, WireError, wireTypeOf } from './schema.ts';

/**
 * Decodes a message; its `bytes` fields are views of `bytes`.
 *
 * @throws WireError
 */
export function decode<M>(type: MessageType<M>, bytes: Uint8Array): M {
  try {
    const values = emptyMessage(type as AnyMessageType);
    readFields(new Reader(bytes), type as AnyMessageType, values);
    return values as M;
  } catch (cause) {
    if (!(cause instanceof WireError)) throw cause;
    throw new WireError(`${type.name}: ${cause.message}`, { cause });
  }
}

type Values = Record<string, unknown>;

/** Fields by number, worked out when a type is first decoded. */
const known = new WeakMap<AnyMessageType, ReadonlyMap<number, Field>>();

function fieldsOf(type: AnyMessageType): ReadonlyMap<number, Field> {
  const found = known.get(type);
  if (found) return found;
  const fields = new Map(type.fields.map((field) => [field.number, field]));
  known.set(type, fields);
  return fields;
}

function emptyMessage(type: AnyMessageType): Values {
  const values: Values = {};
  for (const field of type.fields) if (field.label !== 'maybe') values[field.name] = initial(field);
  return values;
}

function readFields(reader: Reader, type: AnyMessageType, values: Values): void {
  const fields = fieldsOf(type);
  while (!reader.done) {
    const tag = reader.uint32();
    const field = fields.get(tag >>> 3);
    if (tag >>> 3 === 0) throw new WireError('a field has number 0');
    if (field) readField(reader, field, tag & 7, values);
    else reader.skip(tag & 7);
  }
}

function readField(reader: Reader, field: Field, wireType: number, values: Values): void {
  const wanted = wireTypeOf(field.kind);
  if (field.label === 'map' && wireType === WIRE.LEN) {
    readEntry(reader, field, values[field.name] as Values);
  } else if (field.label === 'many' && wireType === WIRE.LEN && wanted !== WIRE.LEN) {
    const list = values[field.name] as unknown[];
    const end = reader.enter();
    while (!reader.done) list.push(readValue(reader, field));
    reader.leave(end);
  } else if (wireType !== wanted) {
    // A type that was changed since: as little known as another number.
    reader.skip(wireType);
  } else if (field.label === 'many') {
    (values[field.name] as unknown[]).push(readValue(reader, field));
  } else {
    values[field.name] = readValue(reader, field, values[field.name]);
  }
}

function readEntry(reader: Reader, field: Field, entries: Values): void {
  let key = '';
  let value = field.kind === 'message' ? undefined : initial({ ...field, label: 'one' });
  const end = reader.enter();
  while (!reader.done) {
    const tag = reader.uint32();
    if (tag === ((1 << 3) | WIRE.LEN)) key = reader.string();
    else if (tag === ((2 << 3) | wireTypeOf(field.kind))) value = readValue(reader, field);
    else reader.skip(tag & 7);
  }
  reader.leave(end);
  if (value === undefined && field.type) value = emptyMessage(field.type());
  // A key such as __proto__ is a key as any other.
  Object.defineProperty(entries, key, { value, enumerable: true, writable: true, configurable: true });
}

function initial({ label, kind }: Field): unknown {
  if (label === 'many') return [];
  if (label === 'map') return {};
  switch (kind) {
    case 'bool':
      return false;
    case 'string':
      return '';
    case 'bytes':
      return new Uint8Array();
    case 'int64':
    case 'uint64':
      return 0n;
    case 'message':
      return undefined;
    default:
      return 0;
  }
}

/** @param before a message that came in parts is put together, as the format wants it */
function readValue(reader: Reader, { kind, type }: Field, before?: unknown): unknown {
  switch (kind) {
    case 'bool':
      return reader.bool();
    case 'string':
      return reader.string();
    case 'bytes':
      return reader.bytes();
    case 'uint32':
      return reader.uint32();
    case 'int32':
    case 'enum':
      return reader.int32();
    case 'int64':
      return reader.int64();
    case 'uint64':
      return reader.uint64();
    case 'float':
      return reader.float();
    case 'double':
      return reader.double();
    case 'message': {
      const inner = type?.();
      if (!inner) return undefined;
      const end = reader.enter();
      const value = (before as Values | undefined) ?? emptyMessage(inner);
      readFields(reader, inner, value);
      reader.leave(end);
      return value;
    }
    default:
      return kind satisfies never;
  }
}
