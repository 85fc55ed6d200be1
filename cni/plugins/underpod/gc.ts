import type { GcRequest } from '../../protocol/plugin.ts';
import { collectErrors } from '../common/collect-errors.ts';
import type { Keep } from '../common/keep.ts';
import { readPlaces } from '../flannel/config.ts';
import { bareConfig } from '../flannel/del.ts';
import { prepareGcByRendered } from '../flannel/gc.ts';
import { prepareGcParts } from './all-parts.ts';
import { asBridge, hasIpam } from './as-bridge.ts';
import { bridgeKeys } from './config.ts';

/**
 * GC: the parts, then as flannel. With `ipam` there may be configurations left of the time before it came into the
 * conflist.
 */
export async function prepareGcUnderpod(request: GcRequest): Promise<(keep: Keep) => Promise<void>> {
  const { conf } = request;
  const bare = hasIpam(conf) ? asBridge(conf).raw : bareConfig(conf, bridgeKeys(conf));
  const removeParts = await prepareGcParts(request);
  const removeBridge = await prepareGcByRendered(request, readPlaces(conf).dataDir, bare);
  return async (keep) => {
    const errors = collectErrors('GC');
    await errors.tryAsync(() => removeParts(keep));
    await errors.tryAsync(() => removeBridge(keep));
    errors.throwIfAny();
  };
}
