import type { Attribute } from '../../netlink/codec/attributes.ts';

/** Whether an attribute was kept as it was read, so that it must not be written from the model as well. */
export function keeps(unknown: readonly Attribute[] | undefined, type: number): boolean {
  return unknown?.some((attribute) => attribute.type === type) ?? false;
}

/** The property `unknown` of a decoded object, or nothing. */
export function unknownOf(rest: readonly Attribute[]): { unknown?: readonly Attribute[] } {
  return rest.length === 0 ? {} : { unknown: rest };
}
