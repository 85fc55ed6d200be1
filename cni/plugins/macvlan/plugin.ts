/**
 * Type `macvlan`: an interface with a MAC address of its own on one of the node's.
 *
 * Keys, as upstream's:
 * - `master`: the node's interface; default that of the default route. `linkInContainer`: it is in the container.
 * - `mode`: "bridge" (default), "private", "vepa", "passthru".
 * - `mtu`: bytes; default the master's, which is also the most.
 * - `mac`, or by CNI_ARGS MAC, `args.cni.mac`, `runtimeConfig.mac`, the last one that is set.
 * - `bcqueuelen`: packets that wait to be copied to all.
 * - `ipam`: optional. `dns`: takes the place of the IPAM plugin's.
 */

import type { Plugin } from '../../protocol/plugin.ts';
import { asPlugin } from '../common/as-plugin.ts';
import { deviceDelegate } from '../common/device/device-delegate.ts';
import { about, macvlanAttaching } from './attach.ts';
import { macvlanType } from './config.ts';

export const plugin: Plugin = asPlugin('macvlan', about, deviceDelegate(macvlanType, macvlanAttaching));
