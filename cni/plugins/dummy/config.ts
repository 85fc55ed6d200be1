/** dummy's keys. Pure. */

import type { DeviceType } from '../common/device/device.ts';

export const dummyType: DeviceType = {
  type: 'dummy',
  kind: 'dummy',
  read(conf) {
    return {
      kind: { kind: 'other', name: 'dummy' },
      master: undefined,
      linkInContainer: false,
      mtu: 0,
      mac: undefined,
      ipamType: conf.ipam?.type ?? '',
      needsAddresses: true,
      takesPrevious: false,
      dns: undefined,
      notifyIpv6: false,
    };
  },
};
