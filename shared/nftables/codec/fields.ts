import { type Attribute, NLA_F_NESTED, parseAttributes } from '../../netlink/codec/attributes.ts';
import { DecodeError } from '../../netlink/codec/decode-error.ts';
import { text, u32be, u64be } from '../../netlink/codec/read.ts';

/** Thrown while something is read that this code has no name for; an expression is then kept as opaque bytes. */
export class NotModelled extends DecodeError {}

/**
 * The attributes of one nest, by type. It remembers which were asked for, so that a reader can tell whether it has
 * understood everything: `rest` are those that nobody asked for.
 */
export class Fields {
  readonly #attributes: (Attribute | undefined)[];

  /** @throws DecodeError when the attributes' lengths do not add up */
  constructor(bytes: Uint8Array, start: number = 0) {
    this.#attributes = parseAttributes(bytes, start);
  }

  /** What was not asked for. */
  get rest(): Attribute[] {
    return this.#attributes.filter((attribute) => attribute !== undefined);
  }

  optional(type: number): Uint8Array | undefined {
    for (let i = 0; i < this.#attributes.length; i++) {
      const attribute = this.#attributes[i];
      if (attribute?.type !== type) continue;
      this.#attributes[i] = undefined;
      return attribute.payload;
    }
    return undefined;
  }

  /** An attribute that stays in `rest`. */
  peek(type: number): Uint8Array | undefined {
    return this.#attributes.find((attribute) => attribute?.type === type)?.payload;
  }

  /** @throws NotModelled when it is missing */
  bytes(type: number): Uint8Array {
    return this.optional(type) ?? missing(type);
  }

  /** A 32-bit number in network order, as nf_tables has nearly all of them. @throws NotModelled */
  u32(type: number): number {
    return this.optionalU32(type) ?? missing(type);
  }

  optionalU32(type: number): number | undefined {
    const bytes = this.optional(type);
    return bytes === undefined ? undefined : u32be(exactly(bytes, 4));
  }

  optionalU64(type: number): bigint | undefined {
    const bytes = this.optional(type);
    return bytes === undefined ? undefined : u64be(exactly(bytes, 8));
  }

  /** @throws NotModelled when it is missing */
  text(type: number): string {
    return text(this.bytes(type));
  }

  optionalText(type: number): string | undefined {
    const bytes = this.optional(type);
    return bytes === undefined ? undefined : text(bytes);
  }

  optionalNest(type: number): Fields | undefined {
    const bytes = this.optional(type);
    return bytes === undefined ? undefined : new Fields(bytes);
  }

  /** A number of which only the bits of `mask` are understood; with others set, it also stays in `rest`. */
  maskedU32(type: number, mask: number): number {
    const at = this.#attributes.findIndex((attribute) => attribute?.type === type);
    const attribute = this.#attributes[at];
    if (attribute === undefined) return 0;
    const bits = u32be(exactly(attribute.payload, 4));
    if ((bits & ~mask) === 0) this.#attributes[at] = undefined;
    return bits & mask;
  }

  /** The comment that `read` finds in an attribute; unless that was the whole of it, it also stays in `rest`. */
  viewed(
    type: number,
    read: (bytes: Uint8Array) => { comment?: string; whole: boolean },
  ): string | undefined {
    const at = this.#attributes.findIndex((attribute) => attribute?.type === type);
    const attribute = this.#attributes[at];
    if (attribute === undefined) return undefined;
    const { comment, whole } = read(attribute.payload);
    if (whole) this.#attributes[at] = undefined;
    return comment;
  }

  /** Fields that carry nothing: padding, and what listing adds without meaning. */
  skip(...types: readonly number[]): void {
    for (const type of types) this.optional(type);
  }
}

/** The type of an attribute that holds attributes, as nft marks it. */
export function nested(type: number): number {
  return NLA_F_NESTED | type;
}

/** The name that `names` gives a number. @throws NotModelled when it gives none */
export function nameOf<T extends string>(names: Readonly<Record<T, number>>, number: number): T {
  for (const name in names) if (names[name] === number) return name;
  throw new NotModelled(`no name for ${number}`);
}

/** The names of the bits of a number, in the order of `names`. @throws NotModelled for a bit without a name */
export function namesOf<T extends string>(names: Readonly<Record<T, number>>, bits: number): T[] {
  const found: T[] = [];
  let rest = bits;
  for (const name in names) {
    if ((rest & names[name]) === 0) continue;
    found.push(name);
    rest &= ~names[name];
  }
  if (rest !== 0) throw new NotModelled(`no name for the bits ${rest}`);
  return found;
}

/** The number whose bits `flags` names. */
export function bitsOf<T extends string>(names: Readonly<Record<T, number>>, flags: readonly T[]): number {
  let bits = 0;
  for (const flag of flags) bits |= names[flag];
  return bits;
}

function exactly(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length !== length) throw new NotModelled(`${bytes.length} bytes instead of ${length}`);
  return bytes;
}

function missing(type: number): never {
  throw new NotModelled(`attribute ${type} is missing`);
}
