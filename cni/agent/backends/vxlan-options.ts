/** The keys of net-conf.json's `Backend` for VXLAN. Pure. */

import { type BackendConf, NetConfError } from '../../../shared/config/net-conf.ts';

/** flannel's default VNI, and the kernel's default UDP port, older than IANA's 4789 (drivers/net/vxlan: vxlan_port). */
const DEFAULT_VNI = 1;
const KERNEL_PORT = 8472;
/** The VNI has 24 bits (RFC 7348 section 5). */
const MAX_VNI = 2 ** 24 - 1;
/** IPv6 needs 1280 inside (RFC 8200 section 5); IPv4 alone could do with less, but then nothing works well. */
const MIN_MTU = 1280 + 70;

export interface VxlanOptions {
  readonly vni: number;
  /** UDP port. */
  readonly port: number;
  /** Of the underlay, in bytes; absent: that of its interface. */
  readonly mtu?: number;
  readonly gbp: boolean;
  readonly learning: boolean;
  readonly directRouting: boolean;
}

/** @throws NetConfError that names the key */
export function vxlanOptions(conf: BackendConf): VxlanOptions {
  // Go's decoder does not mind letter case, and files rely on it.
  const options = new Map(Object.entries(conf.options).map(([key, value]) => [key.toLowerCase(), value]));
  const number = (key: string, least: number, most: number): number | undefined => {
    const value = options.get(key.toLowerCase());
    // 0 is how Go programs write "not set".
    if (value === undefined || value === 0) return undefined;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
      throw new NetConfError(
        `Backend.${key} must be a whole number from ${least} to ${most}, not ${JSON.stringify(value)}`,
      );
    }
    return value;
  };
  const flag = (key: string): boolean => {
    const value = options.get(key.toLowerCase()) ?? false;
    if (typeof value !== 'boolean') throw new NetConfError(`Backend.${key} must be true or false`);
    return value;
  };
  const mtu = number('MTU', MIN_MTU, 65535);
  return {
    vni: number('VNI', 1, MAX_VNI) ?? DEFAULT_VNI,
    port: number('Port', 1, 65535) ?? KERNEL_PORT,
    gbp: flag('GBP'),
    learning: flag('Learning'),
    directRouting: flag('DirectRouting'),
    ...(mtu !== undefined && { mtu }),
  };
}
