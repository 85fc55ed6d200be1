import type { AttachingDelegate } from '../common/delegate.ts';
import { attachDevice } from '../common/device/attach-device.ts';
import { makeDevice } from '../common/device/make-device.ts';
import { dummyType } from './config.ts';

/** ADD and DEL of dummy. */
export const dummyAttaching: AttachingDelegate = attachDevice(dummyType, makeDevice);

export const about = 'CNI plugin dummy (underpod): an interface that leads nowhere';
