import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import type { OwnedFd } from '../../../shared/sys/fd.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import { readLink } from '../common/links.ts';
import { changeSettings } from './link.ts';
import { readSaved } from './saved.ts';

/**
 * Makes the interface what it was before it was tuned; one that is gone needs nothing.
 *
 * @throws what the kernel refuses, after everything else was changed: an interface that goes back to the host must not
 * keep the pod's address unnoticed
 */
export function restoreSettings(netns: OwnedFd, key: AttachmentKey, directories: readonly string[]): void {
  using pod = NetlinkSocket.open(NETLINK.ROUTE, { netns });
  if (!readLink(pod, { name: key.ifname })) return;
  const errors: Error[] = [];
  for (const dataDir of directories) errors.push(...changeSettings(pod, key.ifname, readSaved(key, dataDir)));
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, `DEL: ${errors.length} failures`);
}
