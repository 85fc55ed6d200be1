import type { AttachingDelegate } from '../common/delegate.ts';
import { attachDevice } from '../common/device/attach-device.ts';
import { tapType } from './config.ts';
import { makeTap } from './make-tap.ts';

/** ADD and DEL of tap. */
export const tapAttaching: AttachingDelegate = attachDevice(tapType, makeTap);

export const about = 'CNI plugin tap (underpod): a TAP device, for a virtual machine in the container';
