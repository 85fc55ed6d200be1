/** The backends that are built, by the name that net-conf.json uses. */

import { type BackendConf, NetConfError } from '../../../shared/config/net-conf.ts';
import type { Backend, BackendBuilder, BackendSetting } from './backend.ts';
import { vxlan } from './vxlan.ts';

const builders: Readonly<Record<string, BackendBuilder>> = { vxlan };

/** Backends of flannel that are planned; others are unknown. */
const PLANNED: readonly string[] = ['host-gw', 'wireguard', 'ipip', 'alloc'];

/** @throws NetConfError for a type that is not built, naming those that are, or for wrong options */
export function createBackend(conf: BackendConf, setting: BackendSetting): Backend {
  const builder = Object.hasOwn(builders, conf.type) ? builders[conf.type] : undefined;
  if (builder) return builder(conf, setting);
  const what = PLANNED.includes(conf.type) ? 'is not built yet' : 'is unknown';
  throw new NetConfError(`Backend.Type "${conf.type}" ${what}; built: ${Object.keys(builders).join(', ')}`);
}
