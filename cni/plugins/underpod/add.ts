import type { AddRequest } from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import { bridgeAttaching } from '../bridge/attach.ts';
import { Rollback } from '../common/rollback.ts';
import { readPlaces, renderDelegate } from '../flannel/config.ts';
import { addByRendered, readSubnetEnv } from '../flannel/delegation.ts';
import { RenderedConfigs } from '../flannel/rendered.ts';
import { asBridge, hasIpam } from './as-bridge.ts';
import { addParts, hasParts } from './attaching-parts.ts';
import { bridgeKeys } from './config.ts';
import { delBridgePart } from './del.ts';
import { refuseUnsupported } from './refuse.ts';

/** ADD: the bridge, then what else the pod or the configuration asks for; all or nothing. */
export async function addUnderpod(request: AddRequest): Promise<Result> {
  refuseUnsupported(request.conf);
  const wantsParts = hasParts(request);
  const bridged = await addBridgePart(request);
  if (!wantsParts) return bridged;
  const rollback = new Rollback();
  rollback.defer(() => delBridgePart({ ...request, env: { ...request.env, command: 'DEL' } }));
  try {
    return await addParts(request, bridged, rollback);
  } catch (error) {
    return await rollback.fail(error);
  }
}

/** As flannel with bridge as its delegate, or as bridge where the configuration has `ipam`. */
async function addBridgePart(request: AddRequest): Promise<Result> {
  const { conf } = request;
  if (hasIpam(conf)) return await bridgeAttaching.add({ ...request, conf: asBridge(conf) });
  RenderedConfigs.requireUsable(request.env.containerId);
  const { subnetFile, dataDir } = readPlaces(conf);
  const config = { delegate: bridgeKeys(conf), ipam: {} };
  const rendered = renderDelegate(conf, config, readSubnetEnv(subnetFile));
  // Not durable: our DEL does without the file, and a power cut takes the interfaces as well.
  return await addByRendered(request, dataDir, rendered, false);
}
