import type { AttachingDelegate } from '../delegate.ts';
import { addDevice } from './add-device.ts';
import { delDevice } from './del-device.ts';
import type { DeviceType } from './device.ts';

/** ADD and DEL of a device type. */
export function attachDevice(type: DeviceType): AttachingDelegate {
  return { add: (request) => addDevice(type, request), del: (request) => delDevice(type, request) };
}
