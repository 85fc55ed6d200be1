/**
 * Type `underpod`: a node's whole chain in one call. It leaves on the disk and in the kernel what the chain of flannel or
 * bridge, portmap, bandwidth, firewall and tuning leaves, so a node can change over either way with pods running. What they
 * want in nf_tables is one transaction.
 *
 * Keys:
 * - all of bridge's (../bridge/plugin.ts), at top level. Without `ipam` three have other defaults: `isGateway` true,
 *   `mtu` FLANNEL_MTU, `ipMasq` true where FLANNEL_IPMASQ is false.
 * - `subnetFile`, `dataDir`: as flannel's (../flannel/plugin.ts).
 * - `ipam`: any IPAM section; then subnet.env is not read, and it is the bridge plugin with this configuration.
 *
 * - `portmap`, `bandwidth`, `firewall`, `tuning`: sections with the keys that these plugins have in a chain of their own.
 *   Host ports and limits are done where a pod asks for them (capabilities `portMappings` and `bandwidth`), with or
 *   without a section; the other two where their section is there.
 *
 * Refused, unless it asks for nothing: any other capability besides `mac`, `ips` and `ipRanges`, and keys of these plugins
 * and of sbr and vrf at top level.
 */

import type { Plugin } from '../../protocol/plugin.ts';
import { asPlugin } from '../common/as-plugin.ts';
import { about } from './attach.ts';
import { underpod } from './delegate.ts';

export const plugin: Plugin = asPlugin('underpod', about, underpod);
