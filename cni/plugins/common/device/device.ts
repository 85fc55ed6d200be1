/**
 * Plugins that give a container one interface of some kind, most of them on top of one of the node: macvlan, ipvlan,
 * vlan, dummy, tap. What differs between them is a configuration and how the interface is made; the rest of ADD, DEL,
 * CHECK, GC and STATUS are the same. Pure.
 */

import type { OtherKind } from '../../../../shared/netlink/codec/link-kind.ts';
import type { CniArgs } from '../../../protocol/args.ts';
import { invalidConfig } from '../../../protocol/error.ts';
import { readInteger } from '../../../protocol/json.ts';
import type { NetConf } from '../../../protocol/net-conf.ts';
import type { Dns } from '../../../protocol/result.ts';
import { isEmptyDns } from '../../../protocol/result.ts';
import { decodeResult } from '../../../protocol/result-decode.ts';
import { currentVersion } from '../../../protocol/version.ts';

/** One interface that is to be had. */
export interface Device {
  /** The IPAM plugin's type; '' for none. */
  readonly ipamType: string;
  /** Without addresses the interface is of no use, so that an IPAM plugin is needed. */
  readonly needsAddresses: boolean;
  /** Takes the addresses of the result before, where there is no IPAM plugin. */
  readonly takesPrevious: boolean;
  /** Goes into the result; undefined: what the IPAM plugin says. */
  readonly dns: Dns | undefined;
  /** Announces its IPv6 addresses when it comes up. */
  readonly notifyIpv6: boolean;
  /** Nobody is at its other end yet: the kernel looks for duplicates of its addresses when somebody is, not now. */
  readonly isDetached?: boolean;
}

/** One that netlink makes. */
export interface LinkDevice extends Device {
  readonly kind: OtherKind;
  /** The interface that it stands on: its name, '' for the default route's; undefined where it stands on none. */
  readonly master: string | undefined;
  /** The master is in the container's namespace. */
  readonly linkInContainer: boolean;
  /** Bytes; 0 leaves it to the kernel. */
  readonly mtu: number;
  readonly mac: Uint8Array | undefined;
}

/** A plugin type of this family. */
export interface DeviceType<D extends Device = LinkDevice> {
  readonly type: string;
  /** The name of the kernel's kind of link; undefined where it may be any. */
  readonly kind: string | undefined;
  /** Throws CniError code 6 for wrong types, 7 for what makes no sense. */
  read(conf: NetConf, args: CniArgs): D;
  /** What is wrong with an interface of that kind, by the data that the kernel tells; undefined when it is as configured. */
  compare?(data: Uint8Array, device: D): string | undefined;
}

/** `mtu`; whether the master can carry that is looked at in ADD. */
export function readDeviceMtu(conf: NetConf): number {
  const mtu = readInteger(conf.raw['mtu'], 'mtu') ?? 0;
  if (mtu >= 0) return mtu;
  throw invalidConfig(`mtu ${mtu} must be 0 (the master's) or more`);
}

/** `dns` of the configuration, which takes the place of the IPAM plugin's even where it is empty, as upstream has it. */
export function readDeviceDns(conf: NetConf): Dns {
  if (conf.raw['dns'] === undefined) return {};
  const { dns } = decodeResult(
    { cniVersion: currentVersion, dns: conf.raw['dns'] },
    { path: 'configuration' },
  );
  return isEmptyDns(dns) ? {} : dns;
}
