import type { StatusRequest } from '../../protocol/plugin.ts';
import { readLimits } from './config.ts';

/** STATUS: the configuration makes sense. The kernel loads what limits need when the first pod has one. */
export function statusBandwidth({ conf }: StatusRequest): void {
  readLimits(conf);
}
