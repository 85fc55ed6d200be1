import { parseArgs } from '../../protocol/args.ts';
import type { StatusRequest } from '../../protocol/plugin.ts';
import { readTuningConfig } from './config.ts';
import { requireAllowed } from './require-allowed.ts';

/** STATUS: the configuration makes sense, and the node allows the parameters in it. CNI_ARGS are for attachments. */
export async function statusTuning({ conf }: StatusRequest): Promise<void> {
  await requireAllowed(readTuningConfig(conf, parseArgs('')).sysctls);
}
