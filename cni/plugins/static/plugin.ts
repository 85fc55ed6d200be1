/**
 * Type `static`: addresses as configured. For one pod, or where something else makes sure that no two get the same.
 *
 * Keys of the `ipam` section, as upstream's:
 * - `addresses`: a list of `{address, gateway}`, the address with its prefix length.
 * - `routes`, `dns`: go into the result as they are.
 *
 * CNI_ARGS `IP` (behind the configured ones) and `GATEWAY`, both lists with commas; `args.cni.ips` in the place of those;
 * `runtimeConfig.ips` (capability `ips`) in the place of all.
 */

import type { Plugin } from '../../protocol/plugin.ts';
import { asPlugin } from '../common/as-plugin.ts';
import { about } from './attach.ts';
import { staticIpam } from './delegate.ts';

export const plugin: Plugin = asPlugin('static', about, staticIpam);
