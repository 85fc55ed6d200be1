import type { JsonObject } from '../../protocol/json.ts';
import { readObject } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import { netConfFromObject } from '../../protocol/net-conf.ts';
import type { DelRequest } from '../../protocol/plugin.ts';
import type { DelOptions } from '../common/delegate.ts';
import { delegateType, readPlaces } from './config.ts';
import { attachingDelegateOf, readRendered } from './delegation.ts';
import { isOfAnother, RenderedConfigs } from './rendered.ts';

/**
 * DEL: by the configuration that ADD kept, which goes last. Without one there is most likely nothing left; our own
 * delegate is asked nevertheless, because what it made can be found without a configuration.
 */
export async function delFlannel(request: DelRequest): Promise<void> {
  const { conf } = request;
  const delegate = readObject(conf.raw['delegate'], 'delegate') ?? {};
  await delByRendered(request, readPlaces(conf).dataDir, bareConfig(conf, delegate));
}

/** As delFlannel; `bare` serves where nothing was kept, `options` are for the delegate. */
export async function delByRendered(
  request: DelRequest,
  dataDir: string,
  bare: JsonObject,
  options: DelOptions = {},
): Promise<void> {
  const { containerId } = request.env;
  const files = new RenderedConfigs(dataDir);
  const kept = files.load(containerId);
  const rendered = readRendered(kept, request.conf);
  if (rendered) {
    await (await attachingDelegateOf(rendered.type)).del({ ...request, conf: rendered.conf }, options);
  } else if (delegateType(bare) === 'bridge') {
    const conf = netConfFromObject(bare, { lenientPrevResult: true });
    await (await attachingDelegateOf('bridge')).del({ ...request, conf }, options);
  }
  // Another network's interface of the same container needs its file still.
  if (kept !== undefined && !isOfAnother(kept, request.conf.name)) files.remove(containerId);
}

/** What DEL needs to find the delegate's work: no ranges, and rules are looked for in any case. */
export function bareConfig(conf: NetConf, delegate: JsonObject): JsonObject {
  const { cniVersion, prevResult, runtimeConfig } = conf.raw;
  const ipam = { ...conf.ipam?.raw, type: conf.ipam?.type || 'host-local' };
  return {
    ipMasq: true,
    ...delegate,
    name: conf.name,
    ipam,
    ...(cniVersion === undefined ? {} : { cniVersion }),
    ...(prevResult === undefined ? {} : { prevResult }),
    ...(runtimeConfig === undefined ? {} : { runtimeConfig }),
  };
}
