import { sweepTemporaries } from '../../../shared/sys/sweep.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import { collectErrors } from '../common/collect-errors.ts';
import type { Keep } from '../common/keep.ts';
import { readDataDirLeniently } from './config.ts';
import { forgetSaved, notedAttachments } from './saved.ts';

/**
 * GC, first half: lists the network's attachments with files. The function it returns removes those of them that are not
 * to be kept. Upstream's files do not say which network they are of: they go by the DEL of their attachment.
 */
export function prepareGcTuning(conf: NetConf): (keep: Keep) => void {
  const network = conf.name;
  const found = notedAttachments(network);
  return (keep) => {
    const errors = collectErrors('GC');
    for (const { containerId, ifname } of found) {
      if (keep.has(containerId, ifname)) continue;
      using claim = keep.claim(containerId, ifname);
      if (claim) errors.try(() => forgetSaved({ network, containerId, ifname }));
    }
    errors.try(() => sweepTemporaries(readDataDirLeniently(conf)));
    errors.throwIfAny();
  };
}
