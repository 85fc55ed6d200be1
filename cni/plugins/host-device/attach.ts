import type { AttachingDelegate } from '../common/delegate.ts';
import { addHostDevice } from './add.ts';
import { delHostDevice } from './del.ts';

/** ADD and DEL of host-device. */
export const hostDeviceAttaching: AttachingDelegate = {
  add: (request) => addHostDevice(request),
  del: delHostDevice,
};

export const about = "CNI plugin host-device (underpod): one of the node's devices, moved into the container";
