/** Finds the device that a configuration names, on the host. */

import { formatMac } from '../../../shared/ip/mac.ts';
import { dumpLinks } from '../../../shared/netlink/requests/link.ts';
import type { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { readDir } from '../../../shared/sys/directory.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import { readlinkIfExists } from '../../../shared/sys/file.ts';
import { exists } from '../../../shared/sys/stat.ts';
import { invalidConfig } from '../../protocol/error.ts';
import type { LinkView } from '../common/link-view.ts';
import { viewLink } from '../common/link-view.ts';
import { readLink } from '../common/links.ts';
import type { Selector } from './config.ts';

const pciDevices = '/sys/bus/pci/devices';
const auxiliaryDevices = '/sys/bus/auxiliary/devices';

/** Drivers that hand a device to a program in user space (DPDK): the kernel has no interface for it then. */
const userspaceDrivers = ['vfio-pci', 'uio_pci_generic', 'igb_uio'];

/** The device's PCI address; '' where it is named in another way. Throws code 7 where a deviceID is on no bus. */
function pciAddress({ deviceId, pciBusId }: Selector): string {
  if (deviceId === '') return pciBusId;
  if (exists(`${pciDevices}/${deviceId}`)) return deviceId;
  if (exists(`${auxiliaryDevices}/${deviceId}`)) return '';
  throw invalidConfig(
    `device ${deviceId} of the runtime is neither on the PCI bus nor on the auxiliary one`,
    {
      details: `see ${pciDevices} and ${auxiliaryDevices}`,
    },
  );
}

/**
 * Whether the device is driven from user space, so that there is no interface to move.
 *
 * @throws CniError code 7 where there is no such PCI device, or it has no driver
 */
export function isUserspaceDevice(selector: Selector): boolean {
  const address = pciAddress(selector);
  if (address === '') return false;
  const driver = readlinkIfExists(`${pciDevices}/${address}/driver`);
  if (driver !== undefined) return userspaceDrivers.includes(driver.slice(driver.lastIndexOf('/') + 1));
  throw invalidConfig(`the node has no PCI device ${address}, or no driver is bound to it`);
}

/** The interface. Throws code 7 where there is none. */
export function findDevice(host: NetlinkSocket, selector: Selector): LinkView {
  const found = find(host, selector);
  if (found) return found;
  throw invalidConfig(`the node has no interface ${describe(selector)}`, {
    details: 'look for it with "ip -d link": it may be in a container already',
  });
}

function find(host: NetlinkSocket, selector: Selector): LinkView | undefined {
  const { device, hwaddr, kernelPath } = selector;
  if (device !== '') return readLink(host, { name: device });
  if (hwaddr !== '') return findByHardwareAddress(host, hwaddr);
  const name = firstInterface(kernelPath === '' ? busDirectory(selector) : kernelPath);
  return name === undefined ? undefined : readLink(host, { name });
}

function findByHardwareAddress(host: NetlinkSocket, hwaddr: string): LinkView | undefined {
  for (const { payload } of host.dump(dumpLinks())) {
    const link = viewLink(payload);
    if (link.mac && formatMac(link.mac).replaceAll(':', '') === hwaddr) return link;
  }
  return undefined;
}

/** The directory that has the device's `net`. A virtio device is one level below its PCI function. */
function busDirectory(selector: Selector): string {
  const address = pciAddress(selector);
  if (address === '') return `${auxiliaryDevices}/${selector.deviceId}`;
  const directory = `${pciDevices}/${address}`;
  if (exists(`${directory}/net`)) return directory;
  const virtio = names(directory).find((name) => name.startsWith('virtio'));
  return virtio === undefined ? directory : `${directory}/${virtio}`;
}

function firstInterface(directory: string): string | undefined {
  return names(`${directory}/net`)[0];
}

function names(directory: string): string[] {
  try {
    return readDir(directory)
      .map(({ name }) => name)
      .sort();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

function describe({ device, hwaddr, kernelPath, pciBusId, deviceId }: Selector): string {
  if (device !== '') return JSON.stringify(device);
  if (hwaddr !== '') return `with the hardware address ${hwaddr}`;
  if (kernelPath !== '') return `in ${kernelPath}/net`;
  return `of device ${deviceId || pciBusId}`;
}
