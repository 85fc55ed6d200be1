import { Rtnetlink } from '../../../../shared/netlink/rtnetlink.ts';
import type { NetlinkSocket } from '../../../../shared/netlink/socket.ts';
import { invalidConfig } from '../../../protocol/error.ts';
import type { LinkView } from '../link-view.ts';
import { readLink } from '../links.ts';

/** The interface to stand on: by name, or with '' the one that the first default route goes by. */
export function findMaster(socket: NetlinkSocket, name: string, inContainer: boolean): LinkView {
  const where = inContainer ? 'the container' : 'the node';
  if (name === '') return defaultMaster(socket, where);
  const link = readLink(socket, { name });
  if (link) return link;
  throw invalidConfig(`master ${JSON.stringify(name)} is no interface of ${where}`);
}

function defaultMaster(socket: NetlinkSocket, where: string): LinkView {
  const rtnetlink = new Rtnetlink(socket);
  for (const family of [4, 6] as const) {
    for (const { destination, oif } of rtnetlink.routes({ family })) {
      if (destination.prefix !== 0 || oif === undefined) continue;
      const link = readLink(socket, { index: oif });
      if (link) return link;
    }
  }
  throw invalidConfig(`${where} has no default route: set "master" to the name of an interface`);
}
