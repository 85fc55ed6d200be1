import type { CheckRequest } from '../../protocol/plugin.ts';
import { checkFailed } from '../common/check-failed.ts';
import { delegateOf } from './any-delegate.ts';
import { readPlaces } from './config.ts';
import { readRendered } from './delegation.ts';
import { RenderedConfigs } from './rendered.ts';

/** CHECK: by the configuration that ADD kept. */
export async function checkFlannel(request: CheckRequest): Promise<void> {
  await checkByRendered(request, readPlaces(request.conf).dataDir);
}

/** As checkFlannel, for a data directory at hand. */
export async function checkByRendered(request: CheckRequest, dataDir: string): Promise<void> {
  const { containerId } = request.env;
  const rendered = readRendered(new RenderedConfigs(dataDir).load(containerId), request.conf);
  if (!rendered)
    throw checkFailed(`${dataDir}/${containerId}, the configuration it was added by, cannot be read`);
  await (await delegateOf(rendered.type)).check({ ...request, conf: rendered.conf });
}
