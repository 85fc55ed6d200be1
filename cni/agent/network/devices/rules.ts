/** Whether a link that is there already is, or can become, the desired device. Pure. */

import type { Link } from '../../../../shared/netlink/codec/link.ts';
import type { DesiredDevice } from '../desired.ts';
import type { ObservedNetwork } from '../observed.ts';
import { ipipRules } from './ipip.ts';
import { vxlanRules } from './vxlan.ts';
import { wireguardRules } from './wireguard.ts';

/** Why a link cannot become the desired device by changing it; `undefined` if it can. */
export function obstacleOf(device: DesiredDevice, link: Link): string | undefined {
  const kind = kindOf(link);
  if (kind !== device.kind) return `it is no ${device.kind} device but ${kind ?? 'an ordinary one'}`;
  switch (device.kind) {
    case 'vxlan':
      return vxlanRules.obstacle(device, link);
    case 'wireguard':
      return wireguardRules.obstacle(device, link);
    case 'ipip':
      return ipipRules.obstacle(device, link);
    default:
      return device satisfies never;
  }
}

/** See DeviceRules. */
export function sameOptions(device: DesiredDevice, link: Link, observed: ObservedNetwork): boolean {
  switch (device.kind) {
    case 'vxlan':
      return vxlanRules.sameOptions(device, link, observed);
    case 'wireguard':
      return wireguardRules.sameOptions(device, link, observed);
    case 'ipip':
      return ipipRules.sameOptions(device, link, observed);
    default:
      return device satisfies never;
  }
}

/**
 * Whether a link is of the kind that backends give a device of its name: then it may be one that the agent made under
 * other settings, else somebody took the name for something else.
 */
export function isAgentsKind(link: Link): boolean {
  const kind = kindOf(link);
  if (link.name.startsWith('flannel-wg')) return kind === 'wireguard';
  return kind === (link.name === 'flannel.ipip' ? 'ipip' : 'vxlan');
}

function kindOf(link: Link): string | undefined {
  return link.kind?.kind === 'other' ? link.kind.name : link.kind?.kind;
}
