import type { StatusRequest } from '../../protocol/plugin.ts';
import { bridge } from '../bridge/delegate.ts';
import { readPlaces, renderDelegate } from '../flannel/config.ts';
import { readSubnetEnvForStatus, statusByRendered } from '../flannel/status.ts';
import { statusOfParts } from './all-parts.ts';
import { asBridge, hasIpam } from './as-bridge.ts';
import { bridgeKeys } from './config.ts';
import { refuseUnsupportedKeys } from './refuse.ts';

/** STATUS: subnet.env is there, the bridge ready, and the parts, too. */
export async function statusUnderpod(request: StatusRequest): Promise<void> {
  const { conf } = request;
  refuseUnsupportedKeys(conf);
  await statusOfParts(request);
  if (hasIpam(conf)) {
    await bridge.status({ ...request, conf: asBridge(conf) });
    return;
  }
  const config = { delegate: bridgeKeys(conf), ipam: {} };
  const env = readSubnetEnvForStatus(readPlaces(conf).subnetFile);
  await statusByRendered(request, renderDelegate(conf, config, env));
}
