/**
 * Type `portmap`, chained: ports of the node lead to a pod. Which ones comes by the capability `portMappings`, a list of
 * `{hostPort, containerPort, protocol, hostIP}`; protocols are tcp, udp and sctp.
 *
 * Keys, as upstream's:
 * - `backend`: "nftables" (default) or "iptables". (Upstream takes iptables where there is one.)
 * - `snat`: default true; masquerades what could not come back otherwise: the pod's packets to itself and those of the
 *   node's localhost. `masqAll`: everything.
 * - `conditionsV4`, `conditionsV6`: further matches, in the backend's language; nft's as far as conditions.ts knows it.
 * - `markMasqBit` (13), `externalSetMarkChain`: how iptables marks what is to be masqueraded.
 */

import type { Plugin } from '../../protocol/plugin.ts';
import { asPlugin } from '../common/as-plugin.ts';
import { about } from './attach.ts';
import { portmap } from './delegate.ts';

export const plugin: Plugin = asPlugin('portmap', about, portmap);
