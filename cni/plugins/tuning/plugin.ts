/**
 * Type `tuning`: sets kernel parameters of a pod's network namespace and attributes of its interface. Comes in a chain
 * after the plugin that makes the interface.
 *
 * Keys, as upstream's:
 * - `sysctl`: values by names, which begin with `net.`; `IFNAME` in a name stands for the interface's.
 * - `mac`, `mtu`, `txQLen` (packets): what the interface is to have.
 * - `promisc`: true to receive what is for others. `allmulti`: whether all multicast is received.
 * - `dataDir`: where is written down what the interface had before (/run/cni/tuning).
 *
 * `args.cni` has the same keys but `dataDir`, and wins. CNI_ARGS: `MAC`. Capability `mac`.
 */

import type { Plugin } from '../../protocol/plugin.ts';
import { asPlugin } from '../common/as-plugin.ts';
import { about } from './attach.ts';
import { tuning } from './delegate.ts';

export const plugin: Plugin = asPlugin('tuning', about, tuning);
