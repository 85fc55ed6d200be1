import type { AttachingDelegate } from '../common/delegate.ts';
import { attachDevice } from '../common/device/attach-device.ts';
import { makeDevice } from '../common/device/make-device.ts';
import { ipvlanType } from './config.ts';

/** ADD and DEL of ipvlan. */
export const ipvlanAttaching: AttachingDelegate = attachDevice(ipvlanType, makeDevice);

export const about =
  "CNI plugin ipvlan (underpod): an interface with addresses of its own on one of the node's";
