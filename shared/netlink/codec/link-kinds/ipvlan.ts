import { parseAttributes } from '../attributes.ts';
import { FieldTable } from '../fields.ts';
import type { OtherKind } from '../link-kind.ts';
import { ByteWriter } from '../wire.ts';

/** IPVLAN_MODE_* of linux/if_link.h. */
export const IPVLAN_MODE = { l2: 0, l3: 1, l3s: 2 } as const;

/** Options of an ipvlan. */
export interface Ipvlan {
  /** One of IPVLAN_MODE. */
  readonly mode?: number;
  /** Bits IPVLAN_F_* of linux/if_link.h: 1 private, 2 vepa. */
  readonly flags?: number;
}

/** IFLA_IPVLAN_* of linux/if_link.h. */
const FIELDS: FieldTable<Ipvlan> = new FieldTable<Ipvlan>([
  ['mode', 1, 'u16'],
  ['flags', 2, 'u16'],
]);

/** A kind for a link request. Not one of the codec's own, so that only who makes such links loads it. */
export function ipvlan(options: Ipvlan): OtherKind {
  const writer = new ByteWriter(32);
  FIELDS.write(writer, options);
  return { kind: 'other', name: 'ipvlan', data: writer.toBytes() };
}

/** Reads what the kernel tells of one. @throws DecodeError */
export function readIpvlan(data: Uint8Array): Ipvlan {
  const options = {};
  for (const { type, payload } of parseAttributes(data)) FIELDS.read(type, payload, options);
  return options;
}
