/** What the ADDs of types that make a veth pair have in common. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import type { OwnedFd } from '../../../shared/sys/fd.ts';
import { internalError, invalidConfig } from '../../protocol/error.ts';
import type { AddRequest } from '../../protocol/plugin.ts';
import type { IpConfig, Result } from '../../protocol/result.ts';
import type { AttachmentKey } from './attachment.ts';
import type { AttachingDelegate } from './delegate.ts';
import { existsAlready } from './host-veth.ts';
import { awaitCarrier } from './kernel-events.ts';
import type { LinkView } from './link-view.ts';
import { readLink } from './links.ts';
import { setPodInterfaceUp } from './pod-interface.ts';
import type { Rollback } from './rollback.ts';
import type { RuleAddition } from './rule-changes.ts';

/** One ADD's things at hand. */
export interface VethAddition {
  readonly request: AddRequest;
  readonly key: AttachmentKey;
  readonly netns: OwnedFd;
  readonly host: NetlinkSocket;
  readonly rollback: Rollback;
  /** Takes what is wanted in nf_tables for the caller. */
  readonly collect: RuleAddition[] | undefined;
}

/** Addresses of an IPAM plugin that works through the interface, which is therefore made to carry packets before. */
export function allocateThrough(
  addition: VethAddition,
  ipam: AttachingDelegate,
  veth: LinkView,
): Promise<Result> {
  const { host, netns } = addition;
  setPodInterfaceUp(netns, peerOf(veth));
  awaitCarrier(host, readLink(host, { index: veth.index }) ?? veth);
  return allocate(addition, ipam);
}

/**
 * Addresses of the IPAM plugin. That there is no host interface of this attachment has been seen, so it is new; unless
 * upstream's plugin made it, and then this ADD will be refused.
 */
export async function allocate(addition: VethAddition, ipam: AttachingDelegate): Promise<Result> {
  const { request, rollback } = addition;
  const type = request.conf.ipam?.type ?? '';
  if (type !== 'host-local' && !ipam.usesInterface) refuseTakenIfname(addition);
  const result = await ipam.add(request, { isNew: true, defer: (undo) => rollback.defer(undo) });
  if (result.ips.length > 0) return result;
  throw invalidConfig(`IPAM plugin ${type} gave no address: configure its ranges`);
}

/**
 * A foreign IPAM plugin is undone by DEL, which would take the addresses of a live interface as well: so it is not
 * even called where there is one. Without it the making of the interface finds that out, at no cost.
 */
function refuseTakenIfname({ key, netns }: VethAddition): void {
  using pod = NetlinkSocket.open(NETLINK.ROUTE, { netns });
  if (readLink(pod, { name: key.ifname })) throw existsAlready(key, 'in its namespace');
}

/** The index of the container's end. */
export function peerOf({ name, peer }: LinkView): number {
  if (peer !== undefined) return peer;
  throw internalError(`the kernel does not tell the other end of ${name}`);
}

/** Masquerades what the addresses send out of their subnets, until it is undone. */
export async function masquerade(
  { collect, key, rollback }: VethAddition,
  ips: readonly IpConfig[],
): Promise<void> {
  const { addMasquerade, removeMasquerade } = await import('./masquerade.ts');
  if (!collect) rollback.defer(() => removeMasquerade(key)?.[Symbol.dispose]());
  const addresses: Cidr[] = [];
  for (const { address } of ips) addresses.push(address);
  await addMasquerade(key, addresses, collect);
}
