/** tap's keys. Pure. */

import { readTun, TUN_TYPE } from '../../../shared/netlink/codec/link-kinds/tun.ts';
import { requireKnownArgs } from '../../protocol/args.ts';
import { invalidConfig } from '../../protocol/error.ts';
import { readBoolean, readString, readUint } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import type { Device, DeviceType } from '../common/device/device.ts';
import { readDeviceDns, readDeviceMtu } from '../common/device/device.ts';
import { readMac } from '../common/mac.ts';

/** A TAP device. Keys are described at the plugin (plugin.ts). */
export interface TapDevice extends Device {
  /** Bytes; 0 leaves it to the kernel. */
  readonly mtu: number;
  readonly mac: Uint8Array | undefined;
  readonly multiQueue: boolean;
  /** Numbers of the user and the group that may attach to it. */
  readonly owner: number | undefined;
  readonly group: number | undefined;
  /** What SELinux takes the maker for; '' for what we are. */
  readonly selinuxContext: string;
  /** Name of a bridge in the container that it becomes a port of; '' for none. */
  readonly bridge: string;
}

/** MAC is ours, IP the IPAM plugin's, and the runtime gives both the same text. */
const knownArgs = ['MAC', 'IP'];

/** Of uid_t and gid_t; the number above stands for nobody (linux/uidgid.h). */
const maxId = 2 ** 32 - 2;

export const tapType: DeviceType<TapDevice> = {
  type: 'tap',
  kind: 'tun',
  read(conf, args) {
    const { raw } = conf;
    requireKnownArgs(args, knownArgs);
    return {
      mtu: readDeviceMtu(conf),
      mac: readMac(conf, args, readString(raw['mac'], 'mac')),
      multiQueue: readBoolean(raw['multiQueue'], 'multiQueue') ?? false,
      owner: readId(conf, 'owner'),
      group: readId(conf, 'group'),
      selinuxContext: readSelinuxContext(conf),
      bridge: readString(raw['bridge'], 'bridge') ?? '',
      ipamType: conf.ipam?.type ?? '',
      needsAddresses: false,
      takesPrevious: false,
      dns: readDeviceDns(conf),
      notifyIpv6: false,
      isDetached: true,
    };
  },
  compare(data, { multiQueue, owner, group }) {
    const now = readTun(data);
    if (now.type !== TUN_TYPE.tap) return 'is a TUN device';
    if ((now.multiQueue === 1) !== multiQueue) return multiQueue ? 'has one queue' : 'has several queues';
    if (owner !== undefined && now.owner !== owner) return `has owner ${now.owner ?? 'none'}, not ${owner}`;
    if (group !== undefined && now.group !== group) return `has group ${now.group ?? 'none'}, not ${group}`;
    return undefined;
  },
};

function readId({ raw }: NetConf, key: 'owner' | 'group'): number | undefined {
  const id = readUint(raw[key], key);
  if (id === undefined || id <= maxId) return id;
  throw invalidConfig(`${key} ${id} is more than ${maxId}, the highest number there is`);
}

/** Upstream's decoder takes a key in any case: its documentation writes this one small, its code does not. */
function readSelinuxContext({ raw }: NetConf): string {
  return (
    readString(raw['selinuxcontext'], 'selinuxcontext') ||
    readString(raw['selinuxContext'], 'selinuxContext') ||
    ''
  );
}
