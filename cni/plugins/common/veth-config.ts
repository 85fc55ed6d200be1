/** Keys that bridge and ptp have in common. Pure. */

import { invalidConfig, unsupportedField } from '../../protocol/error.ts';
import { readBoolean, readInteger, readString } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import type { Dns } from '../../protocol/result.ts';
import { isEmptyDns } from '../../protocol/result.ts';
import { decodeResult } from '../../protocol/result-decode.ts';
import { currentVersion } from '../../protocol/version.ts';

/** `ipMasq`: also what DEL and GC need; the rest of the configuration may be wrong by then. */
export function readIpMasq(conf: NetConf): boolean {
  return readBoolean(conf.raw['ipMasq'], 'ipMasq') ?? false;
}

/** `ipMasqBackend` has one value that is built: a pod must not run without what it needs. Throws code 2 or 7 for others. */
export function refuseOtherMasquerade({ raw }: NetConf): void {
  const backend = readString(raw['ipMasqBackend'], 'ipMasqBackend') ?? 'nftables';
  if (backend === 'iptables') {
    throw unsupportedField('ipMasqBackend', backend, 'masquerading is done by nftables: remove the key');
  }
  if (backend !== 'nftables') {
    throw invalidConfig(
      `ipMasqBackend ${JSON.stringify(backend)} is unknown: write "nftables" or remove the key`,
    );
  }
}

/** `mtu` of both ends, in bytes; 0 leaves it to the kernel. */
export function readVethMtu(conf: NetConf): number {
  const mtu = readInteger(conf.raw['mtu'], 'mtu') ?? 0;
  // ETH_MIN_MTU and ETH_MAX_MTU of linux/if_ether.h: what the kernel accepts for a veth.
  if (mtu === 0 || (mtu >= 68 && mtu <= 65_535)) return mtu;
  throw invalidConfig(`mtu ${mtu} must be 0 (the default) or between 68 and 65535`);
}

/** `dns`, which takes the place of the IPAM plugin's only where it says something: undefined where it does not. */
export function readVethDns(conf: NetConf): Dns | undefined {
  if (conf.raw['dns'] === undefined) return undefined;
  const { dns } = decodeResult(
    { cniVersion: currentVersion, dns: conf.raw['dns'] },
    { path: 'configuration' },
  );
  return isEmptyDns(dns) ? undefined : dns;
}
