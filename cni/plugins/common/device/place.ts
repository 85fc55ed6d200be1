import type { NetlinkSocket } from '../../../../shared/netlink/socket.ts';
import type { OwnedFd } from '../../../../shared/sys/fd.ts';
import type { AttachmentKey } from '../attachment.ts';
import { attachmentHash } from '../attachment.ts';
import type { LinkView } from '../link-view.ts';
import type { Device } from './device.ts';

/** Where an interface is made. Both sockets are of rtnetlink. */
export interface Place {
  readonly key: AttachmentKey;
  readonly netns: OwnedFd;
  readonly host: NetlinkSocket;
  readonly pod: NetlinkSocket;
}

/**
 * Makes the interface in the container's namespace, down; or throws, and has left nothing.
 *
 * @throws CniError code 7 when the container has an interface of that name already
 */
export type MakeDevice<D extends Device> = (place: Place, device: D) => LinkView | Promise<LinkView>;

/**
 * The name that the interface has until it has its own. For a link that is made in another namespace the kernel looks
 * for the name in the one that it is made from, so that `eth0` of the node would be in the way.
 */
export function temporaryName(key: AttachmentKey): string {
  return `cni${attachmentHash(key).slice(0, 10)}`;
}
