import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { dumpLinks } from '../../../shared/netlink/requests/link.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import { attachmentHash, readAlias } from '../common/attachment.ts';
import { collectErrors } from '../common/collect-errors.ts';
import type { Keep } from '../common/keep.ts';
import type { LinkView } from '../common/link-view.ts';
import { viewLink } from '../common/link-view.ts';
import { deleteLink } from '../common/links.ts';

/**
 * GC, first half: lists the network's ifb devices. The function it returns removes those not to be kept. Upstream's
 * carry nothing but a hash, so whose they are cannot be told: they stay, and go by the DEL of their attachment.
 */
export function prepareGcBandwidth({ name: network }: NetConf): (keep: Keep) => void {
  const found = listIfbs(network);
  return (keep) => {
    if (found.length === 0) return;
    const errors = collectErrors('GC');
    using host = NetlinkSocket.open(NETLINK.ROUTE);
    for (const link of found) {
      const owner = readAlias(network, link.alias);
      if (owner === undefined) continue;
      const hash = owner.kind === 'hashed' ? owner.hash : attachmentHash({ network, ...owner });
      if (keep.hasHash(hash)) continue;
      using claim = keep.claimHash(hash);
      if (claim) errors.try(() => deleteLink(host, link));
    }
    errors.throwIfAny();
  };
}

function listIfbs(network: string): LinkView[] {
  using host = NetlinkSocket.open(NETLINK.ROUTE);
  const found: LinkView[] = [];
  for (const { payload } of host.dump(dumpLinks({ kind: 'ifb' }))) {
    const link = viewLink(payload);
    if (link.kind === 'ifb' && readAlias(network, link.alias) !== undefined) found.push(link);
  }
  return found;
}
