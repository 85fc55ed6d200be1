/** Desired devices as the link kinds of rtnetlink. Pure. */

import type { LinkKind } from '../../../shared/netlink/codec/link-kind.ts';
import { ipip } from '../../../shared/netlink/codec/link-kinds/ipip.ts';
import type { DesiredDevice } from '../network/desired.ts';

/** The kind with all options, for a new link. */
export function newKind(device: DesiredDevice): LinkKind {
  switch (device.kind) {
    case 'vxlan': {
      const { vni, port, local, underlay, learning, gbp } = device.vxlan;
      return { kind: 'vxlan', id: vni, local, link: underlay, port, learning, ...(gbp && { gbp: true }) };
    }
    case 'wireguard':
      // Keys and port go through generic netlink.
      return { kind: 'other', name: 'wireguard' };
    case 'ipip':
      // As flannel makes it: outer packets may be fragmented.
      return ipip({ local: device.ipip.local, pmtuDiscovery: false });
    default:
      return device satisfies never;
  }
}

/** The kind with what the kernel changes on a link that is there; `undefined` where rtnetlink changes nothing. */
export function changeableKind(device: DesiredDevice): LinkKind | undefined {
  switch (device.kind) {
    case 'vxlan': {
      // Without what the kernel takes at creation only: the port, GBP ("Cannot change port").
      const { vni, local, underlay, learning } = device.vxlan;
      return { kind: 'vxlan', id: vni, local, link: underlay, learning };
    }
    case 'wireguard':
      return undefined;
    case 'ipip':
      return newKind(device);
    default:
      return device satisfies never;
  }
}
