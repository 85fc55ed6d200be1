/** Backend firewalld: the pod's addresses are sources of a zone that accepts everything, until firewalld is reloaded. */

import type { Ip } from '../../../shared/ip/ip.ts';
import { formatIp } from '../../../shared/ip/ip.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import { ioFailure } from '../../protocol/error.ts';
import { checkFailed } from '../common/check-failed.ts';
import { DbusError, SystemBus, theBus } from './dbus.ts';

const firewalld = {
  destination: 'org.fedoraproject.FirewallD1',
  path: '/org/fedoraproject/FirewallD1',
  interface: 'org.fedoraproject.FirewallD1.zone',
} as const;

/** How firewalld says that the source is in the zone already (its errors are code names, then a colon). */
const alreadyThere = ['ZONE_ALREADY_SET', 'ALREADY_ENABLED'];

/** Whether firewalld has its name on the bus; never so without a bus. */
export function isFirewalldRunning(): boolean {
  try {
    using bus = SystemBus.connect();
    bus.call({ ...theBus, member: 'GetNameOwner', args: [firewalld.destination] });
    return true;
  } catch (error) {
    if (error instanceof DbusError || isErrno(error, 'ENOENT', 'ECONNREFUSED', 'EACCES', 'ECONNRESET'))
      return false;
    throw error;
  }
}

/** @throws CniError code 5 when firewalld refuses or cannot be reached */
export function addByFirewalld(zone: string, addresses: readonly Ip[]): void {
  if (addresses.length === 0) return;
  using bus = connect();
  for (const address of addresses) {
    try {
      bus.call({ ...firewalld, member: 'addSource', args: [zone, sourceOf(address)] });
    } catch (cause) {
      if (!(cause instanceof DbusError)) throw cause;
      if (alreadyThere.some((code) => cause.message.startsWith(code))) continue;
      throw ioFailure(`firewalld does not take ${sourceOf(address)} into its zone ${zone}`, {
        details: cause.message,
        cause,
      });
    }
  }
}

/** What firewalld does not know is fine; so is that it does not run, since then it has no rules. */
export function delByFirewalld(zone: string, addresses: readonly Ip[]): void {
  if (addresses.length === 0 || !isFirewalldRunning()) return;
  using bus = connect();
  for (const address of addresses) {
    try {
      bus.call({ ...firewalld, member: 'removeSource', args: [zone, sourceOf(address)] });
    } catch (error) {
      if (!(error instanceof DbusError)) throw error;
    }
  }
}

/** @throws CniError code 100 for an address that is not in the zone */
export function checkByFirewalld(zone: string, addresses: readonly Ip[]): void {
  if (addresses.length === 0) return;
  using bus = connect();
  for (const address of addresses) {
    const source = sourceOf(address);
    try {
      if (bus.call({ ...firewalld, member: 'querySource', args: [zone, source] }) === true) continue;
    } catch (error) {
      if (!(error instanceof DbusError)) throw error;
    }
    throw checkFailed(`${source} is not in firewalld's zone ${zone}`);
  }
}

function connect(): SystemBus {
  try {
    return SystemBus.connect();
  } catch (cause) {
    throw ioFailure('firewalld cannot be reached by D-Bus: start it, or set another "backend"', { cause });
  }
}

function sourceOf(address: Ip): string {
  return `${formatIp(address)}/${address.family === 4 ? 32 : 128}`;
}
