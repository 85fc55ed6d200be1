import type { JsonObject } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import { netConfFromObject } from '../../protocol/net-conf.ts';
import { bridgeKeys } from './config.ts';

/** True where the network manages its addresses itself: then it is the bridge plugin with this configuration. */
export function hasIpam(conf: NetConf): boolean {
  return conf.ipam !== undefined;
}

/** The bridge's configuration with the `ipam` section as given. */
export function asBridge(conf: NetConf): NetConf {
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
