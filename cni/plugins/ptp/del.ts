import { IFF } from '../../../shared/netlink/codec/link.ts';
import type { DelRequest } from '../../protocol/plugin.ts';
import { delVeth } from '../common/del-veth.ts';

/** DEL: the interface's end takes the host's address and routes along. */
export function delPtp(request: DelRequest): Promise<void> {
  return delVeth(request, {
    isLikeOwn: (_host, { flags, master }) => master === undefined && (flags & IFF.UP) !== 0,
  });
}
