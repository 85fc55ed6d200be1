/** alloc as flannel has it: the node gets its subnet, and somebody else carries the packets. Pure. */

import type { BackendConf } from '../../../shared/config/net-conf.ts';
import type { BackendInfo } from '../../../shared/store/registry.ts';
import type { Backend, BackendSetting } from './backend.ts';
import { smallestMtu } from './host-gw.ts';

/** See BackendBuilder. */
export function alloc(_conf: BackendConf, _setting: BackendSetting): Backend {
  return {
    type: 'alloc',
    usesDirect: false,
    devices: [],
    publish(): BackendInfo {
      return { type: 'alloc' };
    },
    podMtu: smallestMtu,
    base() {
      return { devices: [], routes: [] };
    },
    peer() {
      return [];
    },
  };
}
