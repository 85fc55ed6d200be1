import { formatIp } from '../../../shared/ip/ip.ts';
import type { CheckRequest } from '../../protocol/plugin.ts';
import { readSocketPath } from './config.ts';
import { askDaemon, patient } from './daemon-call.ts';
import { targetOf } from './target.ts';

/**
 * CHECK: the daemon keeps a lease for the address that prevResult names. One that it does not know, because upstream's
 * daemon got it, is taken over if the server agrees.
 */
export function checkDhcp(request: CheckRequest): void {
  const { conf } = request;
  const recorded = (conf.prevResult?.ips ?? []).find(({ address }) => address.ip.family === 4);
  const address = recorded && formatIp(recorded.address.ip);
  askDaemon(readSocketPath(conf), { op: 'check', address, ...targetOf(request) }, patient);
}
