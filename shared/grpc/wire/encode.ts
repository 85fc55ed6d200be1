/** Messages to bytes. Pure. */

import { type AnyMessageType, type Field, type Init, type MessageType, WIRE, wireTypeOf } from './schema.ts';
import { Writer } from './writer.ts';

/** What is left out, or has the default of proto3 in a field that has one, does not travel. */
export function encode<M>(type: MessageType<M>, message: Init<NoInfer<M>>): Uint8Array {
  const writer = new Writer();
  writeMessage(writer, type as AnyMessageType, message as Values);
  return writer.finish();
}

type Values = Readonly<Record<string, unknown>>;

function writeMessage(writer: Writer, type: AnyMessageType, values: Values): void {
  for (const field of type.fields) {
    const value = values[field.name];
    if (value === undefined) continue;
    switch (field.label) {
      case 'one':
        if (!isDefault(value)) writeOne(writer, field, value);
        break;
      case 'maybe':
        writeOne(writer, field, value);
        break;
      case 'many':
        writeMany(writer, field, value as readonly unknown[]);
        break;
      case 'map':
        for (const entry of Object.entries(value as Values)) writeEntry(writer, field, entry);
        break;
      default:
        field.label satisfies never;
    }
  }
}

function isDefault(value: unknown): boolean {
  if (value instanceof Uint8Array) return value.length === 0;
  // Minus zero is none: it would come back as zero.
  return !value && !Object.is(value, -0);
}

function writeOne(writer: Writer, field: Field, value: unknown): void {
  writer.tag(field.number, wireTypeOf(field.kind));
  writeValue(writer, field, value);
}

/** Numbers are packed, as proto3 has it. */
function writeMany(writer: Writer, field: Field, values: readonly unknown[]): void {
  if (values.length === 0) return;
  if (wireTypeOf(field.kind) === WIRE.LEN) {
    for (const value of values) writeOne(writer, field, value);
    return;
  }
  writer.tag(field.number, WIRE.LEN);
  writer.nested(() => {
    for (const value of values) writeValue(writer, field, value);
  });
}

/** protobuf.dev, "Encoding", maps: as a repeated message of key = 1 and value = 2. */
function writeEntry(writer: Writer, field: Field, [key, value]: readonly [string, unknown]): void {
  writer.tag(field.number, WIRE.LEN);
  writer.nested(() => {
    writer.tag(1, WIRE.LEN);
    writer.string(key);
    writer.tag(2, wireTypeOf(field.kind));
    writeValue(writer, field, value);
  });
}

function writeValue(writer: Writer, { kind, type }: Field, value: unknown): void {
  switch (kind) {
    case 'bool':
      writer.uint32(value ? 1 : 0);
      break;
    case 'string':
      writer.string(value as string);
      break;
    case 'bytes':
      writer.bytes(value as Uint8Array);
      break;
    case 'uint32':
      writer.uint32(value as number);
      break;
    case 'int32':
    case 'enum':
      writer.int32(value as number);
      break;
    case 'int64':
    case 'uint64':
      writer.int64(value as bigint);
      break;
    case 'float':
      writer.float(value as number);
      break;
    case 'double':
      writer.double(value as number);
      break;
    case 'message': {
      const inner = type?.();
      if (inner) writer.nested(() => writeMessage(writer, inner, value as Values));
      break;
    }
    default:
      kind satisfies never;
  }
}
