/** vlan's keys. Pure. */

import { readVlan, vlan } from '../../../shared/netlink/codec/link-kinds/vlan.ts';
import { invalidConfig } from '../../protocol/error.ts';
import { readBoolean, readInteger, readString } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import type { DeviceType } from '../common/device/device.ts';
import { readDeviceDns, readDeviceMtu } from '../common/device/device.ts';

export const vlanType: DeviceType = {
  type: 'vlan',
  kind: 'vlan',
  read(conf) {
    const { raw } = conf;
    const master = readString(raw['master'], 'master') ?? '';
    if (master === '') throw invalidConfig('"master" is missing: name the interface that carries the VLAN');
    return {
      kind: vlan({ id: readId(conf) }),
      master,
      linkInContainer: readBoolean(raw['linkInContainer'], 'linkInContainer') ?? false,
      mtu: readDeviceMtu(conf),
      mac: undefined,
      ipamType: conf.ipam?.type ?? '',
      needsAddresses: true,
      takesPrevious: false,
      dns: readDeviceDns(conf),
      notifyIpv6: false,
    };
  },
  compare(data, device) {
    const [now, wanted] = [readVlan(data).id, readVlan(device.kind.data ?? new Uint8Array()).id];
    return now === wanted ? undefined : `is in VLAN ${now}, not ${wanted}`;
  },
};

function readId({ raw }: NetConf): number {
  const id = readInteger(raw['vlanId'], 'vlanId') ?? 0;
  if (id >= 0 && id <= 4094) return id;
  throw invalidConfig(`vlanId ${id} must lie between 0 and 4094`);
}
