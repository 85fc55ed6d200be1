import type { AddRequest } from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import { readFlannelConfig, renderDelegate } from './config.ts';
import { addByRendered, readSubnetEnv } from './delegation.ts';
import { RenderedConfigs } from './rendered.ts';

/** ADD: by the delegate, with the node's subnet. */
export async function addFlannel(request: AddRequest): Promise<Result> {
  RenderedConfigs.requireUsable(request.env.containerId);
  const config = readFlannelConfig(request.conf);
  const rendered = renderDelegate(request.conf, config, readSubnetEnv(config.subnetFile));
  // Durable: without it DEL does not know a foreign delegate, nor what upstream's flannel needs after a change back.
  return addByRendered(request, config.dataDir, rendered, true);
}
