/** The keys of net-conf.json's `Backend` for VXLAN. Pure. */

import type { BackendConf } from '../../../shared/config/net-conf.ts';
import { OptionReader } from './option-reader.ts';

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
  const options = new OptionReader(conf);
  const mtu = options.number('MTU', MIN_MTU, 65535);
  return {
    vni: options.number('VNI', 1, MAX_VNI) ?? DEFAULT_VNI,
    port: options.number('Port', 1, 65535) ?? KERNEL_PORT,
    gbp: options.flag('GBP'),
    learning: options.flag('Learning'),
    directRouting: options.flag('DirectRouting'),
    ...(mtu !== undefined && { mtu }),
  };
}
