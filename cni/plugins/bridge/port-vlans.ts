/** Which VLANs a port is to have, as the kernel is told. Pure. */

import type { BridgeVlan } from '../../../shared/netlink/codec/bridge-vlan.ts';
import { BRIDGE_VLAN, bridgeVlanRange } from '../../../shared/netlink/codec/bridge-vlan.ts';
import type { BridgeConfig } from './config.ts';

/** Untagged frames that come in belong to the VLAN, and those that go out lose its tag. */
const untagged = BRIDGE_VLAN.PVID | BRIDGE_VLAN.UNTAGGED;

/** The VLAN of untagged frames on a trunk without `vlan`, as upstream has it for configurations older than that key. */
const nativeVlan = 1;

/**
 * What is to be added to a pod's port, in this order: a later entry of a VLAN takes the place of an earlier one's flags.
 * Consecutive VLANs become one range.
 */
export function podPortVlans({ vlan, vlanTrunk }: Pick<BridgeConfig, 'vlan' | 'vlanTrunk'>): BridgeVlan[] {
  const vlans: BridgeVlan[] = [];
  if (vlan !== 0) vlans.push({ id: vlan, flags: untagged });
  for (let at = 0; at < vlanTrunk.length; ) {
    const first = vlanTrunk[at] ?? 0;
    let last = first;
    for (at++; vlanTrunk[at] === last + 1; at++) last++;
    for (const end of bridgeVlanRange(first, last)) vlans.push(end);
  }
  if (vlan === 0 && vlanTrunk.length > 0) vlans.push({ id: nativeVlan, flags: untagged });
  return vlans;
}

/** What is to be added to the port of a gateway's interface. */
export function gatewayPortVlans(vlan: number): BridgeVlan[] {
  return [{ id: vlan, flags: untagged }];
}
