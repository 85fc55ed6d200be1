/**
 * Type `ptp`: a veth pair between the container and the host, without a bridge. All that the container sends goes to
 * the host's end, which has the gateway's address, and the host routes it on.
 *
 * Keys, as upstream's:
 * - `ipam`: needed; every address with a gateway.
 * - `ipMasq`: masquerades what leaves the pods' subnets, by nftables (`ipMasqBackend`: nothing else is built).
 * - `mtu`: bytes, of both ends; 0 for the kernel's default.
 * - `dns`: takes the place of the IPAM plugin's where it says something.
 */

import type { Plugin } from '../../protocol/plugin.ts';
import { asPlugin } from '../common/as-plugin.ts';
import { about } from './attach.ts';
import { ptp } from './delegate.ts';

export const plugin: Plugin = asPlugin('ptp', about, ptp);
