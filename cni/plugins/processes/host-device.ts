import { about, hostDeviceAttaching } from '../host-device/attach.ts';
import { runAttaching } from '../process.ts';

export const run = (): Promise<never> => runAttaching('host-device', about, hostDeviceAttaching);
