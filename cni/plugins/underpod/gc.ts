import type { GcRequest } from '../../protocol/plugin.ts';
import type { Keep } from '../common/keep.ts';
import { readPlaces } from '../flannel/config.ts';
import { bareConfig } from '../flannel/del.ts';
import { prepareGcByRendered } from '../flannel/gc.ts';
import { asBridge, hasIpam } from './as-bridge.ts';
import { bridgeKeys } from './config.ts';

/** GC: as flannel. With `ipam` there may be configurations left of the time before it came into the conflist. */
export function prepareGcUnderpod(request: GcRequest): Promise<(keep: Keep) => Promise<void>> {
  const { conf } = request;
  const bare = hasIpam(conf) ? asBridge(conf).raw : bareConfig(conf, bridgeKeys(conf));
  return prepareGcByRendered(request, readPlaces(conf).dataDir, bare);
}
