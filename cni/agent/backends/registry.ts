/** The backends that are built, by the name that net-conf.json uses. */

import { type BackendConf, NetConfError } from '../../../shared/config/net-conf.ts';
import { alloc } from './alloc.ts';
import type { Backend, BackendBuilder, BackendSetting } from './backend.ts';
import { hostGw } from './host-gw.ts';
import { ipip } from './ipip.ts';
import { vxlan } from './vxlan.ts';
import { wireguard } from './wireguard.ts';

const builders: Readonly<Record<string, BackendBuilder>> = {
  vxlan,
  'host-gw': hostGw,
  wireguard,
  ipip,
  alloc,
};

/** The names of those that are built. */
export const BACKEND_TYPES: readonly string[] = Object.keys(builders);

/** flannel's other backends: old, or for a cloud or a program outside. */
const NOT_BUILT: readonly string[] = ['udp', 'ipsec', 'extension', 'tencent-vpc'];

/** @throws NetConfError for a type that is not built, naming those that are, or for wrong options */
export function createBackend(conf: BackendConf, setting: BackendSetting): Backend {
  const builder = Object.hasOwn(builders, conf.type) ? builders[conf.type] : undefined;
  if (builder) return builder(conf, setting);
  const what = NOT_BUILT.includes(conf.type) ? 'is not built' : 'is unknown';
  throw new NetConfError(`Backend.Type "${conf.type}" ${what}; built: ${BACKEND_TYPES.join(', ')}`);
}
