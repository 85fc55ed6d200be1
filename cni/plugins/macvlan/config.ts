/** macvlan's keys. Pure. */

import { MACVLAN_MODE, macvlan, readMacvlan } from '../../../shared/netlink/codec/link-kinds/macvlan.ts';
import { requireKnownArgs } from '../../protocol/args.ts';
import { invalidConfig } from '../../protocol/error.ts';
import { readBoolean, readString, readUint } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import type { DeviceType } from '../common/device/device.ts';
import { readDeviceDns, readDeviceMtu } from '../common/device/device.ts';
import { readMac } from '../common/mac.ts';

/** MAC is ours, IP the IPAM plugin's, and the runtime gives both the same text. */
const knownArgs = ['MAC', 'IP'];

export const macvlanType: DeviceType = {
  type: 'macvlan',
  kind: 'macvlan',
  read(conf, args) {
    const { raw } = conf;
    requireKnownArgs(args, knownArgs);
    const broadcastQueueLength = readUint(raw['bcqueuelen'], 'bcqueuelen') ?? 0;
    return {
      kind: macvlan({
        mode: MACVLAN_MODE[readMode(conf)],
        ...(broadcastQueueLength === 0 ? {} : { broadcastQueueLength }),
      }),
      master: readString(raw['master'], 'master') ?? '',
      linkInContainer: readBoolean(raw['linkInContainer'], 'linkInContainer') ?? false,
      mtu: readDeviceMtu(conf),
      mac: readMac(conf, args, readString(raw['mac'], 'mac')),
      ipamType: conf.ipam?.type ?? '',
      needsAddresses: false,
      takesPrevious: false,
      dns: readDeviceDns(conf),
      notifyIpv6: true,
    };
  },
  compare(data, device) {
    const [now, wanted] = [readMacvlan(data).mode, readMacvlan(device.kind.data ?? new Uint8Array()).mode];
    return now === wanted ? undefined : `has mode number ${now}, not ${wanted}`;
  },
};

function readMode({ raw }: NetConf): keyof typeof MACVLAN_MODE {
  const mode = readString(raw['mode'], 'mode') || 'bridge';
  if (Object.hasOwn(MACVLAN_MODE, mode)) return mode as keyof typeof MACVLAN_MODE;
  throw invalidConfig(`mode ${JSON.stringify(mode)} is unknown: write bridge, private, vepa or passthru`);
}
