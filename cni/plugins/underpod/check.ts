import type { CheckRequest } from '../../protocol/plugin.ts';
import { bridge } from '../bridge/delegate.ts';
import { checkByRendered } from '../flannel/check.ts';
import { readPlaces } from '../flannel/config.ts';
import { checkParts } from './all-parts.ts';
import { asBridge, hasIpam } from './as-bridge.ts';

/** CHECK: by the configuration that ADD kept, or as bridge; then the parts. */
export async function checkUnderpod(request: CheckRequest): Promise<void> {
  const { conf } = request;
  if (hasIpam(conf)) await bridge.check({ ...request, conf: asBridge(conf) });
  else await checkByRendered(request, readPlaces(conf).dataDir);
  await checkParts(request);
}
