/**
 * Type `bridge`: a veth pair between the container and a bridge of the host, with addresses of an IPAM plugin.
 *
 * Keys, as upstream's:
 * - `bridge`: name of the bridge, default cni0; made if it is missing.
 * - `isGateway`: the bridge gets the pods' gateway addresses, and the node forwards.
 * - `isDefaultGateway`: also gives pods a default route by it; implies isGateway.
 * - `forceAddress`: replaces an address of the bridge that conflicts with the gateway's.
 * - `ipMasq`: masquerades what leaves the pods' subnets, by nftables (`ipMasqBackend`: nothing else is built).
 * - `mtu`: bytes, of the pair and of a bridge that is made; 0 for the kernel's default.
 * - `hairpinMode`: a pod may reach itself through the bridge. `promiscMode`: the bridge takes all frames instead.
 * - `portIsolation`: pods do not reach each other over the bridge, only what is behind it.
 * - `disableContainerInterface`: leaves the container's end down; then without `ipam`.
 * - `enabledad`: looks for duplicates of IPv6 addresses, which takes a second or two.
 * - `mac` is no key: the container's MAC comes by CNI_ARGS MAC, `args.cni.mac` or `runtimeConfig.mac`, the last one
 *   that is set.
 * - `dns`: takes the place of the IPAM plugin's.
 * - `vlan`: the VLAN of the pod's frames; with isGateway an interface `<bridge>.<vlan>` has the gateways' addresses.
 * - `vlanTrunk`: VLANs that the pod sends and gets with tags, as `{id}` or `{minID, maxID}`; without `vlan` its untagged
 *   frames are of VLAN 1. `preserveDefaultVlan`: the port also stays in the bridge's default VLAN.
 * - `macspoofchk`: frames with another source address than the pod's interface has are dropped.
 */

import type { Plugin } from '../../protocol/plugin.ts';
import { asPlugin } from '../common/as-plugin.ts';
import { about } from './attach.ts';
import { bridge } from './delegate.ts';

export const plugin: Plugin = asPlugin('bridge', about, bridge);
