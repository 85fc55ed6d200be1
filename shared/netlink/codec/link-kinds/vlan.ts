import { parseAttributes } from '../attributes.ts';
import { FieldTable } from '../fields.ts';
import type { OtherKind } from '../link-kind.ts';
import { ByteWriter } from '../wire.ts';

/** Options of a VLAN interface. */
export interface Vlan {
  /** 0 to 4094. */
  readonly id?: number;
}

/** IFLA_VLAN_* of linux/if_link.h. */
const FIELDS: FieldTable<Vlan> = new FieldTable<Vlan>([['id', 1, 'u16']]);

/** A kind for a link request. Not one of the codec's own, so that only who makes such links loads it. */
export function vlan(options: Vlan): OtherKind {
  const writer = new ByteWriter(16);
  FIELDS.write(writer, options);
  return { kind: 'other', name: 'vlan', data: writer.toBytes() };
}

/** Reads what the kernel tells of one. @throws DecodeError */
export function readVlan(data: Uint8Array): Vlan {
  const options = {};
  for (const { type, payload } of parseAttributes(data)) FIELDS.read(type, payload, options);
  return options;
}
