import type { Attribute } from '../attributes.ts';
import { FieldTable } from '../fields.ts';
import type { ByteWriter } from '../wire.ts';

/** A bridge. Times are in hundredths of a second (USER_HZ), as the kernel counts them. */
export interface BridgeKind {
  readonly kind: 'bridge';
  readonly forwardDelay?: number;
  readonly helloTime?: number;
  readonly maxAge?: number;
  readonly ageingTime?: number;
  /** 0 off, 1 kernel, 2 user space. */
  readonly stpState?: number;
  readonly priority?: number;
  readonly vlanFiltering?: boolean;
  /** Ethertype: 0x8100 or 0x88a8. */
  readonly vlanProtocol?: number;
  readonly vlanDefaultPvid?: number;
  readonly vlanStatsEnabled?: boolean;
  readonly groupForwardMask?: number;
  /** 0 off, 1 as queried, 2 always. */
  readonly multicastRouter?: number;
  readonly multicastSnooping?: boolean;
  readonly multicastQuerier?: boolean;
  readonly multicastHashMax?: number;
  readonly callIptables?: boolean;
  readonly callIp6tables?: boolean;
  readonly callArptables?: boolean;
  readonly unknown?: readonly Attribute[];
}

/** Attributes IFLA_BR_* of linux/if_link.h. */
const FIELDS: FieldTable<BridgeKind> = new FieldTable<BridgeKind>([
  ['forwardDelay', 1, 'u32'],
  ['helloTime', 2, 'u32'],
  ['maxAge', 3, 'u32'],
  ['ageingTime', 4, 'u32'],
  ['stpState', 5, 'u32'],
  ['priority', 6, 'u16'],
  ['vlanFiltering', 7, 'bool'],
  ['vlanProtocol', 8, 'u16be'],
  ['vlanDefaultPvid', 39, 'u16'],
  ['vlanStatsEnabled', 41, 'bool'],
  ['groupForwardMask', 9, 'u16'],
  ['multicastRouter', 22, 'u8'],
  ['multicastSnooping', 23, 'bool'],
  ['multicastQuerier', 25, 'bool'],
  ['multicastHashMax', 27, 'u32'],
  ['callIptables', 36, 'bool'],
  ['callIp6tables', 37, 'bool'],
  ['callArptables', 38, 'bool'],
]);

/** Writes the options of a bridge, the content of IFLA_INFO_DATA. */
export function writeBridge(writer: ByteWriter, bridge: BridgeKind): void {
  FIELDS.write(writer, bridge);
  writer.attributes(bridge.unknown);
}

/** @throws DecodeError */
export function readBridge(attributes: readonly Attribute[]): BridgeKind {
  const bridge = { kind: 'bridge' } as const;
  const unknown = attributes.filter((attribute) => !FIELDS.read(attribute.type, attribute.payload, bridge));
  return unknown.length === 0 ? bridge : { ...bridge, unknown };
}
