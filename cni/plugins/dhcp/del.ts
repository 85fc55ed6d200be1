import type { DelRequest } from '../../protocol/plugin.ts';
import { readSocketPath } from './config.ts';
import { askDaemon, promptMs } from './daemon-call.ts';

/**
 * DEL: the daemon gives the lease back. It needs the interface for that, so the caller removes it later. None is fine;
 * but without a daemon nobody knows, and a lease that is not given back would be renewed for ever.
 */
export function delDhcp({ conf, env }: DelRequest): void {
  const { containerId, ifname } = env;
  askDaemon(readSocketPath(conf), { op: 'release', network: conf.name, containerId, ifname }, promptMs);
}
