/** host-device's keys. Pure. */

import { invalidConfig } from '../../protocol/error.ts';
import { readString } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import type { Device, DeviceType } from '../common/device/device.ts';
import { readDeviceDns } from '../common/device/device.ts';

/** Which device the container gets. Keys are described at the plugin (plugin.ts). */
export interface HostDevice extends Device {
  readonly selector: Selector;
}

/** How the device is named; the first that is not '' counts, in this order. */
export interface Selector {
  /** The interface's name. */
  readonly device: string;
  /** Its hardware address, as hex without separators, in lower case. */
  readonly hwaddr: string;
  /** Its directory below /sys/devices/. */
  readonly kernelPath: string;
  /** Its PCI address. */
  readonly pciBusId: string;
  /** What a device plugin allocated: a PCI address, or a device of the auxiliary bus; takes the place of `pciBusId`. */
  readonly deviceId: string;
}

export const hostDeviceType: DeviceType<HostDevice> = {
  type: 'host-device',
  kind: undefined,
  read(conf) {
    const ipamType = conf.ipam?.type ?? '';
    return {
      selector: readSelector(conf),
      ipamType,
      needsAddresses: false,
      takesPrevious: false,
      // As upstream: without addresses nothing is said of name resolution.
      dns: ipamType === '' ? {} : readDeviceDns(conf),
      notifyIpv6: false,
    };
  },
};

/** Throws code 7 where no device is named, or not as its key wants it. */
export function readSelector({ raw, runtimeConfig }: NetConf): Selector {
  const key = (name: string): string => readString(raw[name], name) ?? '';
  const selector = {
    device: key('device'),
    hwaddr: readHardwareAddress(key('hwaddr')),
    kernelPath: readKernelPath(key('kernelpath')),
    pciBusId: readBusName(key('pciBusID'), 'pciBusID'),
    deviceId: readBusName(
      readString(runtimeConfig['deviceID'], 'runtimeConfig.deviceID') ?? '',
      'runtimeConfig.deviceID',
    ),
  };
  for (const value of Object.values(selector)) if (value !== '') return selector;
  throw invalidConfig(
    'no device is named: set one of "device", "hwaddr", "kernelpath" and "pciBusID", or let the runtime give a deviceID',
  );
}

/** Ethernet's six bytes, InfiniBand's twenty and what lies between, in pairs of digits or, with dots, in fours. */
function readHardwareAddress(text: string): string {
  if (text === '') return '';
  if (/^[0-9a-f]{2}([:-][0-9a-f]{2}){5,19}$|^[0-9a-f]{4}(\.[0-9a-f]{4}){2,9}$/i.test(text)) {
    return text.replace(/[:.-]/g, '').toLowerCase();
  }
  throw invalidConfig(`hwaddr ${JSON.stringify(text)} must be bytes in hex, such as 0a:58:0a:00:00:02`);
}

function readKernelPath(path: string): string {
  if (path === '' || (path.startsWith('/sys/devices/') && !path.split('/').includes('..'))) return path;
  throw invalidConfig(`kernelpath ${JSON.stringify(path)} must be a path that begins with /sys/devices/`);
}

/** The name of a directory in sysfs. */
function readBusName(name: string, key: string): string {
  if (!name.includes('/') && name !== '.' && name !== '..') return name;
  throw invalidConfig(`${key} ${JSON.stringify(name)} must be a name without "/"`);
}
