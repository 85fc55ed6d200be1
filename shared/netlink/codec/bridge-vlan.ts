/** Bits of struct bridge_vlan_info, linux/if_bridge.h. */
export const BRIDGE_VLAN = { MASTER: 1, PVID: 2, UNTAGGED: 4, RANGE_BEGIN: 8, RANGE_END: 16 } as const;

/** One VLAN of a bridge port, or one end of a range of them. */
export interface BridgeVlan {
  readonly id: number;
  /** Bits of BRIDGE_VLAN. */
  readonly flags: number;
}
