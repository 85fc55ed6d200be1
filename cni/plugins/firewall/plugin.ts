/**
 * Type `firewall`: has the host's firewall let a pod's packets through, and keeps bridges apart. Comes in a chain after
 * a plugin that gives addresses.
 *
 * Keys, as upstream's:
 * - `backend`: `firewalld`, `iptables`, or, which upstream does not know, `nftables`. Left out: firewalld where it runs,
 *   else iptables where it is installed, else nftables.
 * - `iptablesAdminChainName`: a chain for administrators' own rules, which come before the pods'; default CNI-ADMIN.
 * - `firewalldZone`: the zone that pods become sources of; default trusted.
 * - `ingressPolicy`: `open` (default); `same-bridge`: pods of other bridges with this policy do not reach the pod;
 *   `isolated`: nor do pods of its own bridge.
 */

import type { Plugin } from '../../protocol/plugin.ts';
import { asPlugin } from '../common/as-plugin.ts';
import { about } from './attach.ts';
import { firewall } from './delegate.ts';

export const plugin: Plugin = asPlugin('firewall', about, firewall);
