/** ptp's keys. Pure. */

import { invalidConfig } from '../../protocol/error.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import type { Dns } from '../../protocol/result.ts';
import { readIpMasq, readVethDns, readVethMtu, refuseOtherMasquerade } from '../common/veth-config.ts';

/** What ptp is to do. Keys are described at the plugin (plugin.ts). */
export interface PtpConfig {
  readonly ipMasq: boolean;
  /** Bytes; 0 leaves it to the kernel. */
  readonly mtu: number;
  /** Takes the place of what IPAM says, where it says anything. */
  readonly dns: Dns | undefined;
  readonly ipamType: string;
}

/** Reads and checks all keys. Throws code 6 for wrong types, 7 for what makes no sense, 2 for what is not built. */
export function readPtpConfig(conf: NetConf): PtpConfig {
  refuseOtherMasquerade(conf);
  const ipamType = conf.ipam?.type ?? '';
  if (ipamType === '') {
    throw invalidConfig('the configuration has no "ipam" section with a type: ptp leads to addresses');
  }
  return { ipMasq: readIpMasq(conf), mtu: readVethMtu(conf), dns: readVethDns(conf), ipamType };
}
