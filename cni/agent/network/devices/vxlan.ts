/** VXLAN devices. Pure. */

import { ipEquals } from '../../../../shared/ip/ip.ts';
import type { VxlanDevice } from '../desired.ts';
import type { DeviceRules } from './device-rules.ts';

export const vxlanRules: DeviceRules<VxlanDevice> = {
  obstacle({ vxlan }, { kind }) {
    if (kind?.kind !== 'vxlan') return undefined;
    if (kind.id !== vxlan.vni) return `its VNI is ${kind.id}, not ${vxlan.vni}`;
    if (kind.port !== vxlan.port) return `its UDP port is ${kind.port}, not ${vxlan.port}`;
    if ((kind.gbp ?? false) !== vxlan.gbp) return `group-based policy is ${kind.gbp ? 'on' : 'off'}`;
    if (kind.collectMetadata) return 'it takes its tunnel from the route (external)';
    if (kind.group) return 'it has a group or default remote';
    // The kernel refuses to change the family of the outer addresses (vxlan_nl2conf, drivers/net/vxlan).
    if (kind.local && kind.local.family !== vxlan.local.family)
      return 'its outer addresses are of another family';
    return undefined;
  },

  sameOptions({ vxlan }, { kind }) {
    return (
      kind?.kind === 'vxlan' &&
      kind.local !== undefined &&
      ipEquals(kind.local, vxlan.local) &&
      kind.link === vxlan.underlay &&
      (kind.learning ?? false) === vxlan.learning
    );
  },
};
