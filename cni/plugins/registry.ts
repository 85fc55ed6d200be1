/** All plugin types, with all their operations. */

import type { Plugin } from '../protocol/plugin.ts';
import { plugin as bandwidth } from './bandwidth/plugin.ts';
import { plugin as bridge } from './bridge/plugin.ts';
import { withLocks } from './common/with-locks.ts';
import { plugin as dhcp } from './dhcp/plugin.ts';
import { plugin as dummy } from './dummy/plugin.ts';
import { plugin as firewall } from './firewall/plugin.ts';
import { plugin as flannel } from './flannel/plugin.ts';
import { plugin as hostLocal } from './host-local/plugin.ts';
import { plugin as ipvlan } from './ipvlan/plugin.ts';
import { plugin as loopback } from './loopback/plugin.ts';
import { plugin as macvlan } from './macvlan/plugin.ts';
import { plugin as portmap } from './portmap/plugin.ts';
import { plugin as ptp } from './ptp/plugin.ts';
import { plugin as staticPlugin } from './static/plugin.ts';
import { plugin as tuning } from './tuning/plugin.ts';
import { plugin as underpod } from './underpod/plugin.ts';
import { plugin as vlan } from './vlan/plugin.ts';

const types: readonly Plugin[] = [
  bandwidth,
  bridge,
  dhcp,
  dummy,
  firewall,
  flannel,
  hostLocal,
  ipvlan,
  loopback,
  macvlan,
  portmap,
  ptp,
  staticPlugin,
  tuning,
  underpod,
  vlan,
];

/** Every type's name, in the order of the alphabet. */
export const pluginTypes: readonly string[] = types.map(({ type }) => type);

/** The plugin of a type, with its locks: what a runtime in the same process calls. Undefined for a foreign type. */
export function loadPlugin(type: string, heldLock?: string): Plugin | undefined {
  const plugin = types.find((one) => one.type === type);
  return plugin && withLocks(plugin, heldLock);
}
