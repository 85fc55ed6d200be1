import type { DelRequest } from '../../protocol/plugin.ts';
import { collectErrors } from '../common/collect-errors.ts';
import { readPlaces } from '../flannel/config.ts';
import { bareConfig, delByRendered } from '../flannel/del.ts';
import { asBridge, hasIpam } from './as-bridge.ts';
import { delParts } from './attaching-parts.ts';
import { bridgeKeys } from './config.ts';

/** DEL: the parts, the last one first, then the bridge; whatever fails keeps nothing else from being undone. */
export async function delUnderpod(request: DelRequest): Promise<void> {
  const errors = collectErrors('DEL');
  await delParts(request, errors);
  await errors.tryAsync(() => delBridgePart(request));
  errors.throwIfAny();
}

/** By what ADD kept, whatever the configuration says now: `ipam` may have come into it since, or gone. */
export async function delBridgePart(request: DelRequest): Promise<void> {
  const { conf } = request;
  const bare = hasIpam(conf) ? asBridge(conf).raw : bareConfig(conf, bridgeKeys(conf));
  await delByRendered(request, readPlaces(conf).dataDir, bare);
}
