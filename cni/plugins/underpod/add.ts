import type { AddRequest } from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import { bridgeAttaching } from '../bridge/attach.ts';
import { readPlaces, renderDelegate } from '../flannel/config.ts';
import { addByRendered, readSubnetEnv } from '../flannel/delegation.ts';
import { RenderedConfigs } from '../flannel/rendered.ts';
import { asBridge, hasIpam } from './as-bridge.ts';
import { bridgeKeys } from './config.ts';
import { refuseUnsupported } from './refuse.ts';

/** ADD: as flannel with bridge as its delegate, or as bridge where the configuration has `ipam`. */
export async function addUnderpod(request: AddRequest): Promise<Result> {
  const { conf } = request;
  refuseUnsupported(conf);
  if (hasIpam(conf)) return await bridgeAttaching.add({ ...request, conf: asBridge(conf) });
  RenderedConfigs.requireUsable(request.env.containerId);
  const { subnetFile, dataDir } = readPlaces(conf);
  const config = { delegate: bridgeKeys(conf), ipam: {} };
  const rendered = renderDelegate(conf, config, readSubnetEnv(subnetFile));
  // Not durable: our DEL does without the file, and a power cut takes the interfaces as well.
  return await addByRendered(request, dataDir, rendered, false);
}
