import { readObject } from '../../protocol/json.ts';
import type { AddRequest } from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import { decodeResult } from '../../protocol/result-decode.ts';
import type { AddOptions } from '../common/delegate.ts';
import { readSocketPath } from './config.ts';
import { askDaemon, patient } from './daemon-call.ts';
import { delDhcp } from './del.ts';
import { targetOf } from './target.ts';

/** ADD: the daemon gets a lease through the pod's interface, and keeps it. */
export function addDhcp(request: AddRequest, options: AddOptions = {}): Result {
  const { conf, env } = request;
  const answer = askDaemon(readSocketPath(conf), { op: 'allocate', ...targetOf(request) }, patient);
  options.defer?.(() => delDhcp({ ...request, env: { ...env, command: 'DEL' } }));
  return decodeResult(readObject(answer['result'], 'result') ?? {}, { path: 'result' });
}
