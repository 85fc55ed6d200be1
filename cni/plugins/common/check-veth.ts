/** CHECK's looks at the two ends of a container's veth pair. */

import { IFF } from '../../../shared/netlink/codec/link.ts';
import type { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import type { CheckRequest } from '../../protocol/plugin.ts';
import type { Interface, Result } from '../../protocol/result.ts';
import { checkFailed } from './check-failed.ts';
import { checkMac } from './check-interface.ts';
import type { LinkView } from './link-view.ts';
import { readLink } from './links.ts';

/** What prevResult says of the container's interface. Throws where it says nothing. */
export function recordedInside({ interfaces }: Result, { env }: CheckRequest): Interface {
  const found = interfaces.find(({ name, sandbox }) => name === env.ifname && sandbox === env.netns);
  if (found) return found;
  throw checkFailed(`prevResult does not name ${env.ifname} in ${env.netns}`);
}

/** The container's end, which is there and up, unless it may be down. */
export function checkContainerEnd(pod: NetlinkSocket, recorded: Interface, mayBeDown: boolean): LinkView {
  const link = readLink(pod, { name: recorded.name });
  if (!link) throw checkFailed(`the container has no interface ${recorded.name}`);
  if (link.kind !== 'veth') throw checkFailed(`the container's ${recorded.name} is no veth`);
  checkMac(link, recorded, "the container's interface");
  if (!mayBeDown && (link.flags & IFF.UP) === 0) {
    throw checkFailed(`the container's ${recorded.name} is down`);
  }
  return link;
}

/**
 * The host's end: the other one of the container's, and one that prevResult names.
 *
 * @param recorded interfaces of the host; those of other plugins of the chain are among them
 */
export function checkHostEnd(
  host: NetlinkSocket,
  recorded: readonly Interface[],
  inside: LinkView,
): { readonly link: LinkView; readonly recorded: Interface } {
  const link = inside.peer === undefined ? undefined : readLink(host, { index: inside.peer });
  const entry = recorded.find(({ name }) => name === link?.name);
  if (link && entry && link.kind === 'veth' && link.peer === inside.index) return { link, recorded: entry };
  throw checkFailed(`the host end of ${inside.name} is missing or not the one that prevResult names`);
}
