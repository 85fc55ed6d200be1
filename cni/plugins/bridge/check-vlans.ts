import { BRIDGE_VLAN } from '../../../shared/netlink/codec/bridge-vlan.ts';
import type { Rtnetlink } from '../../../shared/netlink/rtnetlink.ts';
import { checkFailed } from '../common/check-failed.ts';
import type { LinkView } from '../common/link-view.ts';
import { readLink } from '../common/links.ts';
import type { BridgeConfig } from './config.ts';
import { gatewayLinkName } from './config.ts';
import { podPortVlans } from './port-vlans.ts';

/** The bridge tells VLANs apart, the port is in those that are configured, and the gateway's interface is there. */
export function checkVlans(host: Rtnetlink, bridge: LinkView, port: LinkView, config: BridgeConfig): void {
  const kind = host.links().find(({ index }) => index === bridge.index)?.kind;
  if (kind?.kind !== 'bridge' || kind.vlanFiltering !== true) {
    throw checkFailed(`the bridge ${bridge.name} does not tell VLANs apart`);
  }
  const present = new Map<number, number>();
  let first = 0;
  for (const { id, flags } of host.bridgePorts().find(({ index }) => index === port.index)?.vlans ?? []) {
    if ((flags & BRIDGE_VLAN.RANGE_BEGIN) !== 0) first = id;
    const from = (flags & BRIDGE_VLAN.RANGE_END) === 0 ? id : first;
    for (let vlan = from; vlan <= id; vlan++) present.set(vlan, flags & ofInterest);
  }
  // As the kernel carries them out: a later entry of a VLAN replaces an earlier one.
  const wanted = new Map<number, number>();
  for (const id of config.vlanTrunk) wanted.set(id, 0);
  for (const { id, flags } of podPortVlans(config))
    if (!config.vlanTrunk.includes(id) || config.vlan === 0) wanted.set(id, flags & ofInterest);
  for (const [id, flags] of wanted) {
    if (present.get(id) === flags) continue;
    throw checkFailed(`${port.name} is not in VLAN ${id} as configured`);
  }
  if (config.vlan === 0 || !config.isGateway || config.ipamType === '') return;
  const name = gatewayLinkName(config);
  if (!readLink(host.socket, { name })) throw checkFailed(`the gateway's interface ${name} is missing`);
}

const ofInterest = BRIDGE_VLAN.PVID | BRIDGE_VLAN.UNTAGGED;
