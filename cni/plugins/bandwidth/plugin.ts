/**
 * Type `bandwidth`: limits what a pod sends and receives. Comes in a chain after a plugin that makes a veth pair.
 *
 * Keys, as upstream's; each rate needs its burst:
 * - `ingressRate`, `ingressBurst`: what the pod receives, in bits a second and bits.
 * - `egressRate`, `egressBurst`: what the pod sends.
 *
 * Capability `bandwidth`: the same four in `runtimeConfig.bandwidth`, where the configuration has none of them.
 */

import type { Plugin } from '../../protocol/plugin.ts';
import { asPlugin } from '../common/as-plugin.ts';
import { about } from './attach.ts';
import { bandwidth } from './delegate.ts';

export const plugin: Plugin = asPlugin('bandwidth', about, bandwidth);
