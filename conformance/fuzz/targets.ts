import type { Target } from './target.ts';
import { cniConfig } from './targets/cni-config.ts';
import { cniConflist } from './targets/cni-conflist.ts';
import { cniEnv } from './targets/cni-env.ts';
import { cniResult } from './targets/cni-result.ts';
import { csiRequest } from './targets/csi-request.ts';
import { dhcpMessage, dhcpRequest } from './targets/dhcp.ts';
import { netConf } from './targets/net-conf.ts';
import { netlink } from './targets/netlink.ts';
import { nftables } from './targets/nftables.ts';
import { hostLocal, subnetEnv } from './targets/node-files.ts';
import { pluginCall } from './targets/plugin-call.ts';
import { pluginConfig } from './targets/plugin-config.ts';
import { endpointSliceObject, serviceObject } from './targets/service-objects.ts';

/** Every parser of what others write. */
export const targets: readonly Target[] = [
  cniConfig,
  cniResult,
  cniEnv,
  cniConflist,
  pluginCall,
  pluginConfig,
  netConf,
  subnetEnv,
  hostLocal,
  netlink,
  nftables,
  dhcpMessage,
  dhcpRequest,
  serviceObject,
  endpointSliceObject,
  csiRequest,
];
