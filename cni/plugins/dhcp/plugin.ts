/**
 * Type `dhcp`: addresses from a DHCP server. A daemon (`underpod dhcp`) gets them in the pod's network namespace and
 * renews them for as long as the pod lives.
 *
 * Keys of the `ipam` section:
 * - `daemonSocketPath`: the daemon's socket, default /run/underpod/dhcp.sock.
 * - `provide`: a list of `{option, value, fromArg}`: options to send, by number or name; `fromArg` names a key of
 *   CNI_ARGS.
 * - `request`: a list of `{option, skipDefault}`: options to ask for, besides subnet mask and router.
 * - `priority`: metric of the routes.
 */

import type { Plugin } from '../../protocol/plugin.ts';
import { asPlugin } from '../common/as-plugin.ts';
import { about } from './attach.ts';
import { dhcp } from './delegate.ts';

export const plugin: Plugin = asPlugin('dhcp', about, dhcp);
