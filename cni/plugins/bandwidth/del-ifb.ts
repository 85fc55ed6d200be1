import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import { attachmentAlias } from '../common/attachment.ts';
import { deleteLinkQuickly } from '../common/delete-link.ts';
import { readLink } from '../common/links.ts';

/** Deletes the attachment's ifb device: ours, or upstream's, which has no alias. */
export function delIfb(key: AttachmentKey, name: string): void {
  using host = NetlinkSocket.open(NETLINK.ROUTE);
  const link = readLink(host, { name });
  // The name is the container's: another interface of it may have the device.
  if (link?.kind === 'ifb' && (link.alias === '' || link.alias === attachmentAlias(key))) {
    deleteLinkQuickly(host, link);
  }
}
