import type { AttachingDelegate } from '../delegate.ts';
import { addDevice } from './add-device.ts';
import { delDevice } from './del-device.ts';
import type { Device, DeviceType } from './device.ts';
import type { MakeDevice } from './place.ts';

/** ADD and DEL of a device type. */
export function attachDevice<D extends Device>(type: DeviceType<D>, make: MakeDevice<D>): AttachingDelegate {
  return {
    add: (request) => addDevice(type, make, request),
    del: (request) => delDevice(type, request),
  };
}
