/**
 * Type `tap`: a TAP device in the container, to which a program there attaches, such as a virtual machine's.
 *
 * Keys, as upstream's:
 * - `mac`, or by CNI_ARGS MAC, `args.cni.mac`, `runtimeConfig.mac`, the last one that is set.
 * - `mtu`: bytes; default the kernel's.
 * - `multiQueue`: several may attach at once, each with a queue.
 * - `owner`, `group`: numbers of the user and the group that may attach.
 * - `selinuxcontext`: the device's label; takes the programs nsenter and ip.
 * - `bridge`: of the container; the device becomes a port of it.
 * - `ipam`: optional. `dns`: takes the place of the IPAM plugin's.
 */

import type { Plugin } from '../../protocol/plugin.ts';
import { asPlugin } from '../common/as-plugin.ts';
import { deviceDelegate } from '../common/device/device-delegate.ts';
import { about, tapAttaching } from './attach.ts';
import { tapType } from './config.ts';

export const plugin: Plugin = asPlugin('tap', about, deviceDelegate(tapType, tapAttaching));
