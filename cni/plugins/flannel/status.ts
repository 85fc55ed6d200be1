import { isCniError, unavailable } from '../../protocol/error.ts';
import type { JsonObject } from '../../protocol/json.ts';
import { netConfFromObject } from '../../protocol/net-conf.ts';
import type { StatusRequest } from '../../protocol/plugin.ts';
import { delegateOf } from './any-delegate.ts';
import { delegateType, readFlannelConfig, renderDelegate } from './config.ts';
import { readSubnetEnv } from './delegation.ts';
import type { SubnetEnv } from './subnet-env.ts';

/** STATUS: subnet.env is there and the delegate ready. */
export async function statusFlannel(request: StatusRequest): Promise<void> {
  const config = readFlannelConfig(request.conf);
  const env = readSubnetEnvForStatus(config.subnetFile);
  await statusByRendered(request, renderDelegate(request.conf, config, env));
}

/** The delegate's status for a rendered configuration. */
export async function statusByRendered(request: StatusRequest, rendered: JsonObject): Promise<void> {
  const delegate = await delegateOf(delegateType(rendered));
  await delegate.status({ ...request, conf: netConfFromObject(rendered) });
}

/** subnet.env; what is wrong with it makes the plugin unavailable (code 50). */
export function readSubnetEnvForStatus(path: string): SubnetEnv {
  try {
    return readSubnetEnv(path);
  } catch (cause) {
    if (!isCniError(cause)) throw cause;
    throw unavailable(cause.message, { details: cause.details, cause });
  }
}
