import { parseAttributes } from '../attributes.ts';
import { FieldTable } from '../fields.ts';
import type { OtherKind } from '../link-kind.ts';
import { ByteWriter } from '../wire.ts';

/** MACVLAN_MODE_* of linux/if_link.h. */
export const MACVLAN_MODE = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;

/** Options of a macvlan. */
export interface Macvlan {
  /** One of MACVLAN_MODE. */
  readonly mode?: number;
  /** Packets that wait to be copied to all; 0 for the kernel's default. */
  readonly broadcastQueueLength?: number;
}

/** IFLA_MACVLAN_* of linux/if_link.h. */
const FIELDS: FieldTable<Macvlan> = new FieldTable<Macvlan>([
  ['broadcastQueueLength', 7, 'u32'],
  ['mode', 1, 'u32'],
]);

/** A kind for a link request. Not one of the codec's own, so that only who makes such links loads it. */
export function macvlan(options: Macvlan): OtherKind {
  const writer = new ByteWriter(32);
  FIELDS.write(writer, options);
  return { kind: 'other', name: 'macvlan', data: writer.toBytes() };
}

/** Reads what the kernel tells of one. @throws DecodeError */
export function readMacvlan(data: Uint8Array): Macvlan {
  const options = {};
  for (const { type, payload } of parseAttributes(data)) FIELDS.read(type, payload, options);
  return options;
}
