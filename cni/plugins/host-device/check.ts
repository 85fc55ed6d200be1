import { invalidConfig } from '../../protocol/error.ts';
import type { CheckRequest } from '../../protocol/plugin.ts';
import { checkDevice } from '../common/device/check-device.ts';
import { ipamOf } from '../common/ipam.ts';
import { hostDeviceType } from './config.ts';
import { isUserspaceDevice } from './find-device.ts';

/** CHECK: as of other devices; of one that is driven from user space there is nothing to see but its addresses. */
export async function checkHostDevice(request: CheckRequest): Promise<void> {
  const { conf, env } = request;
  const { ipamType, selector } = hostDeviceType.read(conf, env.args);
  if (!isUserspaceDevice(selector)) return await checkDevice(hostDeviceType, request);
  if (!conf.prevResult) throw invalidConfig('CHECK needs "prevResult": pass the result of ADD');
  if (ipamType !== '') await (await ipamOf(ipamType)).check(request);
}
