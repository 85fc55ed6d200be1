import { DecodeError } from './decode-error.ts';

/** Set in nla_type of attributes that hold attributes (linux/netlink.h). */
export const NLA_F_NESTED = 0x8000;
/** Set in nla_type of numbers in network order (linux/netlink.h). */
export const NLA_F_NET_BYTEORDER = 0x4000;
/** What is left of nla_type without those two bits (NLA_TYPE_MASK, linux/netlink.h). */
export const NLA_TYPE_MASK = 0x3fff;

/** One attribute as it stood in a message. Decoders return those that they do not model in `unknown`. */
export interface Attribute {
  readonly type: number;
  /** The NLA_F_NESTED bit; many of the kernel's nested attributes do not carry it. */
  readonly nested: boolean;
  /** The NLA_F_NET_BYTEORDER bit. */
  readonly networkOrder?: true;
  readonly payload: Uint8Array;
}

/**
 * Takes a run of attributes apart. The payloads are copies, so the receive buffer may be reused. Up to three bytes
 * after the last attribute are ignored, as the kernel's own parser does.
 * @throws DecodeError for an attribute that is shorter than its header or longer than what is left.
 */
export function parseAttributes(
  bytes: Uint8Array,
  start: number = 0,
  end: number = bytes.length,
): Attribute[] {
  const found: Attribute[] = [];
  let at = start;
  while (end - at >= 4) {
    const length = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
    const type = (bytes[at + 2] as number) | ((bytes[at + 3] as number) << 8);
    if (length < 4 || length > end - at) {
      throw new DecodeError(
        `attribute ${type & NLA_TYPE_MASK} at byte ${at} claims ${length} of ${end - at} bytes`,
      );
    }
    const nested = (type & NLA_F_NESTED) !== 0;
    const payload = bytes.slice(at + 4, at + length);
    found.push(
      (type & NLA_F_NET_BYTEORDER) !== 0
        ? { type: type & NLA_TYPE_MASK, nested, networkOrder: true, payload }
        : { type: type & NLA_TYPE_MASK, nested, payload },
    );
    at += (length + 3) & ~3;
  }
  return found;
}
