import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import type { Interface, Result } from '../../protocol/result.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import type { Limits } from './config.ts';
import { findHostInterface } from './host-interface.ts';
import { shape } from './shape.ts';

/** Holds the interface that prevResult tells of to its limits. @returns the ifb device, if one was needed */
export function addLimits(
  key: AttachmentKey,
  netns: string,
  prevResult: Result,
  limits: Limits,
): Interface | undefined {
  using host = NetlinkSocket.open(NETLINK.ROUTE);
  const veth = findHostInterface(host, { netns, ifname: key.ifname }, prevResult);
  return shape(host, key, veth, limits);
}
