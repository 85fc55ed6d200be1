import type { JsonObject } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import { netConfFromObject } from '../../protocol/net-conf.ts';
import type {
  AddRequest,
  CheckRequest,
  DelRequest,
  GcRequest,
  StatusRequest,
} from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import { bridge } from '../bridge/delegate.ts';
import { collectErrors } from '../common/collect-errors.ts';
import type { Delegate } from '../common/delegate.ts';
import type { Keep } from '../common/keep.ts';
import { checkByRendered } from '../flannel/check.ts';
import { readPlaces, renderDelegate } from '../flannel/config.ts';
import { bareConfig, delByRendered } from '../flannel/del.ts';
import { addByRendered, prepareGcRendered, readSubnetEnv } from '../flannel/delegation.ts';
import { prepareGcByRendered } from '../flannel/gc.ts';
import { readSubnetEnvForStatus, statusByRendered } from '../flannel/status.ts';
import { bridgeKeys, refuseUnsupported } from './config.ts';

/** True where the network manages its addresses itself: then it is the bridge plugin with this configuration. */
function hasIpam(conf: NetConf): boolean {
  return conf.ipam !== undefined;
}

/** The bridge's configuration with the `ipam` section as given. */
function asBridge(conf: NetConf): NetConf {
  const ipam = conf.ipam?.raw;
  const { prevResult } = conf.raw;
  const raw: JsonObject = {
    ...bridgeKeys(conf),
    type: 'bridge',
    ...(ipam === undefined ? {} : { ipam }),
    ...(prevResult === undefined ? {} : { prevResult }),
  };
  return netConfFromObject(raw, { lenientPrevResult: true });
}

async function add(request: AddRequest): Promise<Result> {
  const { conf } = request;
  refuseUnsupported(conf);
  const delegate = bridgeKeys(conf);
  if (hasIpam(conf)) return await bridge.add({ ...request, conf: asBridge(conf) });
  const { subnetFile, dataDir } = readPlaces(conf);
  const rendered = renderDelegate(conf, { delegate, ipam: {} }, readSubnetEnv(subnetFile));
  return await addByRendered(request, dataDir, rendered);
}

/** By what ADD kept, whatever the configuration says now: `ipam` may have been added to it since, or taken out. */
async function del(request: DelRequest): Promise<void> {
  const { conf } = request;
  const bare = hasIpam(conf) ? asBridge(conf).raw : bareConfig(conf, bridgeKeys(conf));
  await delByRendered(request, readPlaces(conf).dataDir, bare);
}

async function check(request: CheckRequest): Promise<void> {
  const { conf } = request;
  if (hasIpam(conf)) await bridge.check({ ...request, conf: asBridge(conf) });
  else await checkByRendered(request, readPlaces(conf).dataDir);
}

async function status(request: StatusRequest): Promise<void> {
  const { conf } = request;
  const delegate = bridgeKeys(conf);
  if (hasIpam(conf)) {
    await bridge.status({ ...request, conf: asBridge(conf) });
    return;
  }
  const env = readSubnetEnvForStatus(readPlaces(conf).subnetFile);
  await statusByRendered(request, renderDelegate(conf, { delegate, ipam: {} }, env));
}

async function prepareGc(request: GcRequest): Promise<(keep: Keep) => Promise<void>> {
  const { conf } = request;
  const { dataDir } = readPlaces(conf);
  if (!hasIpam(conf)) return prepareGcByRendered(request, dataDir, bareConfig(conf, bridgeKeys(conf)));
  const forget = prepareGcRendered(dataDir, conf.name);
  const remove = await bridge.prepareGc({ ...request, conf: asBridge(conf) });
  return async (keep) => {
    const errors = collectErrors('GC');
    await errors.tryAsync(() => remove(keep));
    errors.try(() => forget(keep));
    errors.throwIfAny();
  };
}

/** underpod in the form that plugins call each other by. */
export const underpod: Delegate = { add, del, check, status, prepareGc };
