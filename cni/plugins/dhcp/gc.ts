import { readAttachments } from '../../protocol/dhcp-daemon.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import { collectErrors } from '../common/collect-errors.ts';
import type { Keep } from '../common/keep.ts';
import { readSocketPath } from './config.ts';
import { askDaemon, promptMs } from './daemon-call.ts';

/**
 * GC, first half: the daemon lists the network's leases. The function it returns gives those back that are not to be kept
 * by then.
 */
export function prepareGcDhcp(conf: NetConf): (keep: Keep) => void {
  const path = readSocketPath(conf);
  const network = conf.name;
  const found = readAttachments(askDaemon(path, { op: 'list', network }, promptMs));
  return (keep) => {
    const errors = collectErrors('release leases');
    for (const { containerId, ifname } of found) {
      if (keep.has(containerId, ifname)) continue;
      using claim = keep.claim(containerId, ifname);
      if (claim) errors.try(() => askDaemon(path, { op: 'release', network, containerId, ifname }, promptMs));
    }
    errors.throwIfAny();
  };
}
