import type { JsonObject } from '../../protocol/json.ts';
import { readObject } from '../../protocol/json.ts';
import { netConfFromObject } from '../../protocol/net-conf.ts';
import type { GcRequest } from '../../protocol/plugin.ts';
import { collectErrors } from '../common/collect-errors.ts';
import type { Keep } from '../common/keep.ts';
import { delegateOf } from './any-delegate.ts';
import { delegateType, readPlaces } from './config.ts';
import { bareConfig } from './del.ts';
import { prepareGcRendered } from './delegation.ts';

/** GC: by the delegate, then the configurations of containers that are gone. */
export function prepareGcFlannel(request: GcRequest): Promise<(keep: Keep) => Promise<void>> {
  const { conf } = request;
  const delegate = readObject(conf.raw['delegate'], 'delegate') ?? {};
  return prepareGcByRendered(request, readPlaces(conf).dataDir, bareConfig(conf, delegate));
}

/** As prepareGcFlannel; `bare` is what the delegate is called with. */
export async function prepareGcByRendered(
  request: GcRequest,
  dataDir: string,
  bare: JsonObject,
): Promise<(keep: Keep) => Promise<void>> {
  const type = delegateType(bare);
  const conf = netConfFromObject({ ...bare, type });
  const forget = prepareGcRendered(dataDir, conf.name);
  const remove = await (await delegateOf(type)).prepareGc({ ...request, conf });
  return async (keep) => {
    const errors = collectErrors('GC');
    await errors.tryAsync(() => remove(keep));
    // After the rest: a DEL that comes before the next GC still finds how the pod was added.
    errors.try(() => forget(keep));
    errors.throwIfAny();
  };
}
