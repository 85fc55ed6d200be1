import type { DelRequest } from '../../protocol/plugin.ts';
import { readPlaces } from '../flannel/config.ts';
import { bareConfig, delByRendered } from '../flannel/del.ts';
import { asBridge, hasIpam } from './as-bridge.ts';
import { bridgeKeys } from './config.ts';

/** DEL: by what ADD kept, whatever the configuration says now: `ipam` may have come into it since, or gone. */
export async function delUnderpod(request: DelRequest): Promise<void> {
  const { conf } = request;
  const bare = hasIpam(conf) ? asBridge(conf).raw : bareConfig(conf, bridgeKeys(conf));
  await delByRendered(request, readPlaces(conf).dataDir, bare);
}
