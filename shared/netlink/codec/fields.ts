import type { Ip } from '../../ip/ip.ts';
import { ip, text, u8, u16, u16be, u32 } from './read.ts';
import type { ByteWriter } from './wire.ts';

/**
 * How a value stands in an attribute.
 *
 * - `u8` … `u32`: host order; `u16be`: network order
 * - `bool`: a u8 of 0 or 1; `flag`: present or absent (`false` is absent, too)
 * - `string`: closed by a NUL byte; `text`: without one. Both are read either way
 * - `ip4`, `ip6`: an address, sent only if it is of this family, so that two fields may share a key
 */
type Form<T> = [T] extends [number]
  ? 'u8' | 'u16' | 'u32' | 'u16be'
  : [T] extends [boolean]
    ? 'bool' | 'flag'
    : [T] extends [string]
      ? 'string' | 'text'
      : [T] extends [Uint8Array]
        ? 'bytes'
        : [T] extends [Ip]
          ? 'ip4' | 'ip6'
          : never;

/** One line of a table that says which property lies in which attribute: key, attribute type, form. */
export type Field<T> = {
  [K in keyof T & string]-?: readonly [K, number, Form<Exclude<T[K], undefined>>];
}[keyof T & string];

type AnyField = readonly [string, number, string];

/**
 * Which properties of a structure stand in which of its attributes: writes and reads all those that are single values.
 * It is in the order in which `ip` sends the attributes, so that our bytes can be held against its own.
 */
export class FieldTable<T extends object> {
  readonly #fields: readonly AnyField[];
  /** The lines of the table by attribute type; made at the first reading, since many programs never read. */
  #byType: (AnyField | undefined)[] | undefined;

  constructor(fields: readonly Field<T>[]) {
    this.#fields = fields as readonly AnyField[];
  }

  /** Writes those properties of `source` that the table names and that are there. */
  write(writer: ByteWriter, source: Partial<T>): void {
    const values = source as Record<string, unknown>;
    for (let i = 0; i < this.#fields.length; i++) {
      const field = this.#fields[i] as AnyField;
      const value = values[field[0]];
      if (value !== undefined) writeField(writer, field[1], field[2], value);
    }
  }

  /**
   * Reads an attribute into `target` if the table has it, and tells whether it has.
   * @throws DecodeError
   */
  read(type: number, payload: Uint8Array, target: object): boolean {
    const field = (this.#byType ?? this.#index())[type];
    if (field === undefined) return false;
    (target as Record<string, unknown>)[field[0]] = readValue(field[2], payload);
    return true;
  }

  #index(): (AnyField | undefined)[] {
    const index: (AnyField | undefined)[] = [];
    for (const field of this.#fields) index[field[1]] = field;
    this.#byType = index;
    return index;
  }
}

function writeField(writer: ByteWriter, type: number, form: string, value: unknown): void {
  switch (form) {
    case 'u8':
      writer.attrU8(type, value as number);
      break;
    case 'u16':
      writer.attrU16(type, value as number);
      break;
    case 'u32':
      writer.attrU32(type, value as number);
      break;
    case 'u16be':
      writer.attrU16be(type, value as number);
      break;
    case 'bool':
      writer.attrU8(type, value === true ? 1 : 0);
      break;
    case 'flag':
      if (value === true) writer.attrFlag(type);
      break;
    case 'string':
      writer.attrString(type, value as string);
      break;
    case 'text':
      writer.attrText(type, value as string);
      break;
    case 'bytes':
      writer.attr(type, value as Uint8Array);
      break;
    case 'ip4':
    case 'ip6':
      if ((value as Ip).family === (form === 'ip4' ? 4 : 6)) writer.attrIp(type, value as Ip);
      break;
  }
}

function readValue(form: string, payload: Uint8Array): unknown {
  switch (form) {
    case 'u8':
      return u8(payload);
    case 'u16':
      return u16(payload);
    case 'u32':
      return u32(payload);
    case 'u16be':
      return u16be(payload);
    case 'bool':
      return u8(payload) !== 0;
    case 'flag':
      return true;
    case 'string':
    case 'text':
      return text(payload);
    case 'bytes':
      return payload;
    default:
      return ip(payload, form === 'ip4' ? 4 : 6);
  }
}
