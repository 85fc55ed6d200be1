import type { AttachingDelegate, Delegate } from '../delegate.ts';
import type { Device, DeviceType } from './device.ts';

/** All operations of a device type. What is rarely called is loaded when it is. */
export function deviceDelegate<D extends Device>(
  type: DeviceType<D>,
  attaching: AttachingDelegate,
): Delegate {
  return {
    ...attaching,
    check: async (request) => (await import('./check-device.ts')).checkDevice(type, request),
    status: async (request) => (await import('./rest.ts')).statusOfDevice(type, request),
    prepareGc: async (request) => {
      const remove = await (await import('./rest.ts')).prepareGcDevice(request);
      return async (keep) => {
        await remove(keep);
      };
    },
  };
}
