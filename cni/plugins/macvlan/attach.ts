import type { AttachingDelegate } from '../common/delegate.ts';
import { attachDevice } from '../common/device/attach-device.ts';
import { makeDevice } from '../common/device/make-device.ts';
import { macvlanType } from './config.ts';

/** ADD and DEL of macvlan. */
export const macvlanAttaching: AttachingDelegate = attachDevice(macvlanType, makeDevice);

export const about =
  "CNI plugin macvlan (underpod): an interface with a MAC address of its own on one of the node's";
