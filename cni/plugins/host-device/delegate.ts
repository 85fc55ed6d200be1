import type { Delegate } from '../common/delegate.ts';
import { hostDeviceAttaching } from './attach.ts';
import { hostDeviceType } from './config.ts';

/** All operations of host-device. What is rarely called is loaded when it is. */
export const hostDevice: Delegate = {
  ...hostDeviceAttaching,
  check: async (request) => (await import('./check.ts')).checkHostDevice(request),
  // Whether the device is on the host says nothing: a pod that runs has it.
  status: async (request) =>
    (await import('../common/device/rest.ts')).statusOfDevice(hostDeviceType, request),
  prepareGc: async (request) => (await import('./gc.ts')).prepareGcHostDevice(request),
};
