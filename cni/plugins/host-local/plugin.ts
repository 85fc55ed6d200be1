/**
 * Type `host-local`: addresses out of ranges, one file for each below `dataDir`, as upstream writes them.
 *
 * Keys of the `ipam` section:
 * - `subnet`, `rangeStart`, `rangeEnd`, `gateway`: one range. Start and end are given out too; without them it is
 *   all of the subnet but its first address and, in IPv4, its last. The gateway (.1 if left out) is never given out.
 * - `ranges`: a list of range sets, each a list of such ranges; every set gives the pod one address.
 * - `routes`: a list of `{dst, gw, mtu, advmss, priority, table, scope}` for the result.
 * - `dataDir`: default /var/lib/cni/networks; the network's files are in a directory below, called like the network.
 * - `resolvConf`: a file in resolv.conf's format to take the result's DNS section from.
 *
 * Addresses can be asked for by CNI_ARGS `IP`, `args.cni.ips` and `runtimeConfig.ips` (capability `ips`), ranges by
 * `runtimeConfig.ipRanges` (capability `ipRanges`).
 */

import type { Plugin } from '../../protocol/plugin.ts';
import { asPlugin } from '../common/as-plugin.ts';
import { about } from './attach.ts';
import { hostLocal } from './delegate.ts';

export const plugin: Plugin = asPlugin('host-local', about, hostLocal);
