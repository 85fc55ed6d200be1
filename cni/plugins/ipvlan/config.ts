/** ipvlan's keys. Pure. */

import { IPVLAN_MODE, ipvlan, readIpvlan } from '../../../shared/netlink/codec/link-kinds/ipvlan.ts';
import { invalidConfig } from '../../protocol/error.ts';
import { readBoolean, readString } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import type { DeviceType } from '../common/device/device.ts';
import { readDeviceDns, readDeviceMtu } from '../common/device/device.ts';

export const ipvlanType: DeviceType = {
  type: 'ipvlan',
  kind: 'ipvlan',
  read(conf) {
    const { raw } = conf;
    return {
      kind: ipvlan({ mode: IPVLAN_MODE[readMode(conf)] }),
      master: readString(raw['master'], 'master') || chainedMaster(conf),
      linkInContainer: readBoolean(raw['linkInContainer'], 'linkInContainer') ?? false,
      mtu: readDeviceMtu(conf),
      // It shares its master's.
      mac: undefined,
      ipamType: conf.ipam?.type ?? '',
      needsAddresses: true,
      takesPrevious: true,
      dns: readDeviceDns(conf),
      notifyIpv6: true,
    };
  },
  compare(data, device) {
    const [now, wanted] = [readIpvlan(data).mode, readIpvlan(device.kind.data ?? new Uint8Array()).mode];
    return now === wanted ? undefined : `has mode number ${now}, not ${wanted}`;
  },
};

function readMode({ raw }: NetConf): keyof typeof IPVLAN_MODE {
  const mode = readString(raw['mode'], 'mode') || 'l2';
  if (Object.hasOwn(IPVLAN_MODE, mode)) return mode as keyof typeof IPVLAN_MODE;
  throw invalidConfig(`mode ${JSON.stringify(mode)} is unknown: write l2, l3 or l3s`);
}

/** In a chain, the one interface that the plugin before made; CHECK has our own result there. */
function chainedMaster({ prevResult, ipam }: NetConf): string {
  if (!prevResult || ipam?.type) return '';
  const [only, ...more] = prevResult.interfaces;
  if (only && more.length === 0 && only.name !== '') return only.name;
  throw invalidConfig('"master" is not set, and prevResult does not name just one interface to take');
}
