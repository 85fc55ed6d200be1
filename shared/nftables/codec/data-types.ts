import { DATA_TYPES, type DataType } from '../model/data-type.ts';

/** TYPE_BITS of nftables' src/datatype.h: a concatenation's number has six bits for each part, the last one lowest. */
const TYPE_BITS = 6;
const TYPE_MASK = (1 << TYPE_BITS) - 1;

/** Most parts that fit the 32-bit number. */
export const MAX_PARTS = 5;

/** The number nft gives a type or a concatenation. @throws RangeError for more parts than a number holds */
export function typeNumber(types: readonly DataType[]): number {
  if (types.length > MAX_PARTS) throw new RangeError(`a concatenation has at most ${MAX_PARTS} parts`);
  return types.reduce((number, type) => number * (TYPE_MASK + 1) + type.id, 0);
}

/** Bytes that a value of these types takes in registers. A single type is not padded. */
export function typeLength(types: readonly DataType[]): number {
  const [only, ...more] = types;
  if (only !== undefined && more.length === 0) return only.size;
  return types.reduce((length, type) => length + padded(type.size), 0);
}

/**
 * The types behind a number.
 *
 * @param length of the whole value in bytes: gives the size of a type that has no fixed one, or that is not known here
 * @param order what nft noted about a single type's byte order
 */
export function typesOf(number: number, length: number, order: DataType['byteOrder']): DataType[] {
  const ids: number[] = [];
  for (let rest = number; ids.length === 0 || rest > 0; rest = Math.floor(rest / (TYPE_MASK + 1))) {
    ids.unshift(rest % (TYPE_MASK + 1));
  }
  const known = ids.map((id) => DATA_TYPES.find((type) => type.id === id));
  const used = known.reduce((sum, type) => sum + (type === undefined ? 0 : padded(type.size)), 0);
  const strangers = known.filter((type) => type === undefined).length;
  const left = strangers === 0 ? 0 : Math.max(0, Math.floor((length - used) / strangers));
  if (ids.length === 1) {
    const [type] = known;
    if (type !== undefined && type.size === length) return [type];
    return [{ name: type?.name ?? `type-${ids[0]}`, id: ids[0] ?? 0, size: length, byteOrder: order }];
  }
  return known.map(
    (type, i) => type ?? { name: `type-${ids[i]}`, id: ids[i] ?? 0, size: left, byteOrder: 'host' },
  );
}

export function padded(size: number): number {
  return (size + 3) & ~3;
}
