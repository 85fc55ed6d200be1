import type { AddRequest } from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import { readFlannelConfig, renderDelegate } from './config.ts';
import { addByRendered, readSubnetEnv } from './delegation.ts';

/** ADD: by the delegate, with the node's subnet. */
export async function addFlannel(request: AddRequest): Promise<Result> {
  const config = readFlannelConfig(request.conf);
  const rendered = renderDelegate(request.conf, config, readSubnetEnv(config.subnetFile));
  return addByRendered(request, config.dataDir, rendered);
}
