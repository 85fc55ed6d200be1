import { parseAttributes } from '../attributes.ts';
import { FieldTable } from '../fields.ts';

/** IFF_TUN and IFF_TAP of linux/if_tun.h: packets or frames. */
export const TUN_TYPE = { tun: 1, tap: 2 } as const;

/** What the kernel tells of a TUN or TAP device (kind tun). It makes none by netlink, so this is read only. */
export interface Tun {
  /** Number of the user that may attach to it. */
  readonly owner?: number;
  readonly group?: number;
  /** One of TUN_TYPE. */
  readonly type?: number;
  /** 1: it stays when nobody is attached. */
  readonly persist?: number;
  /** 1: several may attach at once. */
  readonly multiQueue?: number;
}

/** IFLA_TUN_* of linux/if_link.h. */
const FIELDS: FieldTable<Tun> = new FieldTable<Tun>([
  ['owner', 1, 'u32'],
  ['group', 2, 'u32'],
  ['type', 3, 'u8'],
  ['persist', 6, 'u8'],
  ['multiQueue', 7, 'u8'],
]);

/** @throws DecodeError */
export function readTun(data: Uint8Array): Tun {
  const options = {};
  for (const { type, payload } of parseAttributes(data)) FIELDS.read(type, payload, options);
  return options;
}
