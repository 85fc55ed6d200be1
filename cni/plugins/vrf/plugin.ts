/**
 * Type `vrf`, chained: puts the interface into a VRF (virtual routing and forwarding) of the container, with its
 * addresses and routes. The VRF is made by the first interface and goes with the last.
 *
 * Keys, as upstream's:
 * - `vrfname`: the VRF's name.
 * - `table`: its routing table; without it, or 0, a free one.
 */

import type { Plugin } from '../../protocol/plugin.ts';
import { about, vrfAttaching } from './attach.ts';
import { checkVrf } from './check.ts';
import { statusVrf } from './status.ts';

export const plugin: Plugin = {
  type: 'vrf',
  about,
  ...vrfAttaching,
  check: checkVrf,
  /** All of it ends with the container's namespace. */
  gc() {},
  status: statusVrf,
};
