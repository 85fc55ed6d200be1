import { type Attribute, parseAttributes } from './attributes.ts';
import { u16 } from './read.ts';
import type { ByteWriter } from './wire.ts';

/** Bits of struct bridge_vlan_info, linux/if_bridge.h. */
export const BRIDGE_VLAN = { MASTER: 1, PVID: 2, UNTAGGED: 4, RANGE_BEGIN: 8, RANGE_END: 16 } as const;

/** One VLAN of a bridge port, or one end of a range of them. */
export interface BridgeVlan {
  readonly id: number;
  /** Bits of BRIDGE_VLAN. */
  readonly flags: number;
}

/** The two ends of a range of VLANs, as the kernel takes and gives them; one entry where both are the same. */
export function bridgeVlanRange(first: number, last: number, flags: number = 0): BridgeVlan[] {
  if (first === last) return [{ id: first, flags }];
  return [
    { id: first, flags: flags | BRIDGE_VLAN.RANGE_BEGIN },
    { id: last, flags: flags | BRIDGE_VLAN.RANGE_END },
  ];
}

/** IFLA_BRIDGE_VLAN_INFO in the IFLA_AF_SPEC of a message of family AF_BRIDGE, linux/if_bridge.h. */
const VLAN_INFO = 2;

/** Writes the content of IFLA_AF_SPEC. */
export function writeBridgeVlans(writer: ByteWriter, vlans: readonly BridgeVlan[]): void {
  for (const vlan of vlans) {
    const start = writer.beginNest(VLAN_INFO);
    writer.u16(vlan.flags);
    writer.u16(vlan.id);
    writer.endNest(start);
  }
}

/** Reads the content of IFLA_AF_SPEC and gives back the attributes that are none. @throws DecodeError */
export function readBridgeVlans(bytes: Uint8Array): { vlans: BridgeVlan[]; rest: Attribute[] } {
  const vlans: BridgeVlan[] = [];
  const rest: Attribute[] = [];
  for (const attribute of parseAttributes(bytes)) {
    if (attribute.type !== VLAN_INFO) rest.push(attribute);
    else vlans.push({ flags: u16(attribute.payload), id: u16(attribute.payload, 2) });
  }
  return { vlans, rest };
}
