/**
 * Type `flannel`: calls a delegate, bridge unless configured otherwise, with what subnet.env says of this node.
 *
 * Keys, as upstream's:
 * - `subnetFile`: default /run/flannel/subnet.env.
 * - `dataDir`: default /var/lib/cni/flannel; holds the configuration that each container was added by, for DEL.
 * - `delegate`: the delegate's own keys, which win over those made here: `type` bridge, `mtu`, `ipMasq` (where
 *   FLANNEL_IPMASQ is false) and, for bridge, `isGateway`. `name` and `ipam` are not allowed in it.
 * - `ipam`: for the delegate; `type` is host-local unless given, `ranges` are the node's subnets, the cluster's networks
 *   are added to `routes`.
 */

import type { Plugin } from '../../protocol/plugin.ts';
import { asPlugin } from '../common/as-plugin.ts';
import { about } from './attach.ts';
import { flannel } from './delegate.ts';

export const plugin: Plugin = asPlugin('flannel', about, flannel);
