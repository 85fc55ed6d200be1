/**
 * Type `vlan`: an interface in a VLAN of one of the node's.
 *
 * Keys, as upstream's:
 * - `master`: the node's interface. `linkInContainer`: it is in the container.
 * - `vlanId`: 0 to 4094.
 * - `mtu`: bytes; default the master's, which is also the most.
 * - `ipam`: needed. `dns`: takes the place of the IPAM plugin's.
 */

import type { Plugin } from '../../protocol/plugin.ts';
import { asPlugin } from '../common/as-plugin.ts';
import { deviceDelegate } from '../common/device/device-delegate.ts';
import { about, vlanAttaching } from './attach.ts';
import { vlanType } from './config.ts';

export const plugin: Plugin = asPlugin('vlan', about, deviceDelegate(vlanType, vlanAttaching));
