/**
 * Type `host-device`: one of the node's devices is the container's for as long as it lives.
 *
 * Keys, as upstream's; one of the first four names the device, and the first that is set counts:
 * - `device`: the interface's name.
 * - `hwaddr`: its hardware address.
 * - `kernelpath`: its directory below /sys/devices/.
 * - `pciBusID`: its PCI address; `runtimeConfig.deviceID` (capability deviceID) takes its place, and may be a device of the
 *   auxiliary bus. One with a driver for user space (vfio-pci, uio_pci_generic, igb_uio) is not moved, only told.
 * - `ipam`: optional. `dns`: goes with it, in the place of the IPAM plugin's.
 */

import type { Plugin } from '../../protocol/plugin.ts';
import { asPlugin } from '../common/as-plugin.ts';
import { about } from './attach.ts';
import { hostDevice } from './delegate.ts';

export const plugin: Plugin = asPlugin('host-device', about, hostDevice);
