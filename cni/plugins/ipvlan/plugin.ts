/**
 * Type `ipvlan`: an interface with the MAC address of the node's one that it is on, and addresses of its own.
 *
 * Keys, as upstream's:
 * - `master`: the node's interface; default that of the default route, or in a chain the one interface of the result
 *   before. `linkInContainer`: it is in the container.
 * - `mode`: "l2" (default), "l3", "l3s".
 * - `mtu`: bytes; default the master's.
 * - `ipam`: needed, unless the result before has addresses. `dns`: takes the place of the IPAM plugin's.
 */

import type { Plugin } from '../../protocol/plugin.ts';
import { asPlugin } from '../common/as-plugin.ts';
import { deviceDelegate } from '../common/device/device-delegate.ts';
import { about, ipvlanAttaching } from './attach.ts';
import { ipvlanType } from './config.ts';

export const plugin: Plugin = asPlugin('ipvlan', about, deviceDelegate(ipvlanType, ipvlanAttaching));
