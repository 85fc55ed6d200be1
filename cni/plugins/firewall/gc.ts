import type { NetConf } from '../../protocol/net-conf.ts';
import { collectErrors } from '../common/collect-errors.ts';
import type { Keep } from '../common/keep.ts';
import { prepareGcNftables } from './nft-gc.ts';
import { isSameAttachment, listAccepted, readAccepted } from './record.ts';
import { removeAccepted } from './remove-accepted.ts';

/**
 * GC, first half: lists the network's notes and elements. The function it returns removes those that are not to be
 * kept. Upstream's rules in iptables name nothing but addresses, so whose they are cannot be told: they go by DEL.
 */
export function prepareGcFirewall({ name: network }: NetConf): (keep: Keep) => Promise<void> {
  const errors = collectErrors('GC');
  const removeElements = errors.try(() => prepareGcNftables(network));
  const noted = (errors.try(listAccepted) ?? []).filter(({ key }) => key.network === network);
  return async (keep) => {
    errors.try(() => removeElements?.(keep));
    for (const accepted of noted) {
      const { containerId, ifname } = accepted.key;
      if (keep.has(containerId, ifname)) continue;
      using claim = keep.claim(containerId, ifname);
      // Another pod may have been given the address since it was listed.
      const now = claim && readAccepted(accepted.address);
      if (now && isSameAttachment(now.key, accepted.key))
        await errors.tryAsync(() => removeAccepted([accepted]));
    }
    errors.throwIfAny();
  };
}
