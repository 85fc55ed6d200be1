import { parseArgs } from '../../protocol/args.ts';
import { CniCode, isCniError, unavailable } from '../../protocol/error.ts';
import type { StatusRequest } from '../../protocol/plugin.ts';
import { readDhcpConfig, readSocketPath } from './config.ts';
import { askDaemon, promptMs } from './daemon-call.ts';

/** STATUS: the section makes sense, and the daemon answers. */
export function statusDhcp({ conf }: StatusRequest): void {
  readDhcpConfig(conf, parseArgs(''));
  try {
    askDaemon(readSocketPath(conf), { op: 'status' }, promptMs);
  } catch (cause) {
    if (!isCniError(cause, CniCode.TryAgainLater, CniCode.IoFailure)) throw cause;
    throw unavailable(cause.message, { details: cause.details, cause });
  }
}
