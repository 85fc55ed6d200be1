import type { AttachingDelegate } from '../common/delegate.ts';
import { attachDevice } from '../common/device/attach-device.ts';
import { makeDevice } from '../common/device/make-device.ts';
import { vlanType } from './config.ts';

/** ADD and DEL of vlan. */
export const vlanAttaching: AttachingDelegate = attachDevice(vlanType, makeDevice);

export const about = "CNI plugin vlan (underpod): an interface in a VLAN of one of the node's";
