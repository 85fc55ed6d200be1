import type { StatusRequest } from '../../protocol/plugin.ts';
import { readTuningConfig } from './config.ts';
import { requireAllowed } from './require-allowed.ts';

/** STATUS: the configuration makes sense, and the node allows the parameters in it. */
export async function statusTuning({ conf, env }: StatusRequest): Promise<void> {
  await requireAllowed(readTuningConfig(conf, env.args).sysctls);
}
