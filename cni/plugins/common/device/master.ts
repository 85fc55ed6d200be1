import { Rtnetlink } from '../../../../shared/netlink/rtnetlink.ts';
import type { NetlinkSocket } from '../../../../shared/netlink/socket.ts';
import { invalidConfig } from '../../../protocol/error.ts';
import type { Result } from '../../../protocol/result.ts';
import type { LinkView } from '../link-view.ts';
import { readLink } from '../links.ts';

/** The name of the interface to stand on, of a plugin that takes what the one before has made; '' for the usual one. */
export function masterOfChain({ interfaces }: Result): string {
  const [only, ...more] = interfaces;
  if (only && more.length === 0 && only.name !== '') return only.name;
  throw invalidConfig('"master" is not set, and prevResult does not name just one interface to take', {
    details: 'set "master" to the name of an interface',
  });
}

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
