import { parseAttributes } from '../attributes.ts';
import { FieldTable } from '../fields.ts';
import type { OtherKind } from '../link-kind.ts';
import { ByteWriter } from '../wire.ts';

/** Options of a VRF. */
export interface Vrf {
  /** Number of its routing table. */
  readonly table?: number;
}

/** IFLA_VRF_* of linux/if_link.h. */
const FIELDS: FieldTable<Vrf> = new FieldTable<Vrf>([['table', 1, 'u32']]);

/** A kind for a link request. Not one of the codec's own, so that only who makes such links loads it. */
export function vrf(options: Vrf): OtherKind {
  const writer = new ByteWriter(16);
  FIELDS.write(writer, options);
  return { kind: 'other', name: 'vrf', data: writer.toBytes() };
}

/** Reads what the kernel tells of one. @throws DecodeError */
export function readVrf(data: Uint8Array): Vrf {
  const options = {};
  for (const { type, payload } of parseAttributes(data)) FIELDS.read(type, payload, options);
  return options;
}
