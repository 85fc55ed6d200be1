import type { AddRequest } from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import { bridge } from '../bridge/delegate.ts';
import { readPlaces, renderDelegate } from '../flannel/config.ts';
import { addByRendered, readSubnetEnv } from '../flannel/delegation.ts';
import { asBridge, hasIpam } from './as-bridge.ts';
import { bridgeKeys, refuseUnsupported } from './config.ts';

/** ADD: as flannel with bridge as its delegate, or as bridge where the configuration has `ipam`. */
export async function addUnderpod(request: AddRequest): Promise<Result> {
  const { conf } = request;
  refuseUnsupported(conf);
  if (hasIpam(conf)) return await bridge.add({ ...request, conf: asBridge(conf) });
  const { subnetFile, dataDir } = readPlaces(conf);
  const config = { delegate: bridgeKeys(conf), ipam: {} };
  return await addByRendered(request, dataDir, renderDelegate(conf, config, readSubnetEnv(subnetFile)));
}
