import { IFF } from '../../../shared/netlink/codec/link.ts';
import type { DelRequest } from '../../protocol/plugin.ts';
import type { VethDeletion } from '../common/del-veth.ts';
import { delVeth } from '../common/del-veth.ts';
import type { DelOptions } from '../common/delegate.ts';

/** DEL: the interface's end takes the host's address and routes along. */
export function delPtp(request: DelRequest, options: DelOptions = {}): Promise<void> {
  const deletion: VethDeletion = {
    isLikeOwn: (_host, { flags, master }) => master === undefined && (flags & IFF.UP) !== 0,
  };
  return delVeth(request, deletion, options);
}
