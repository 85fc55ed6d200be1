/** DEL of types that make a veth pair. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { formatMac } from '../../../shared/ip/mac.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import type { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { Fd } from '../../../shared/sys/fd.ts';
import type { DelRequest } from '../../protocol/plugin.ts';
import { attachingIpamOf } from './attaching-ipam.ts';
import { isAttachmentAlias } from './attachment.ts';
import type { ErrorCollector } from './collect-errors.ts';
import { collectErrors } from './collect-errors.ts';
import type { DelOptions } from './delegate.ts';
import { deleteLinkQuickly } from './delete-link.ts';
import { findHostVeth } from './host-veth.ts';
import type { LinkView } from './link-view.ts';
import { readLink } from './links.ts';
import { openPodNetnsIfExists } from './pod-netns.ts';
import type { RuleRemoval } from './rule-changes.ts';
import { readIpMasq } from './veth-config.ts';

/** What differs between types. */
export interface VethDeletion {
  /**
   * Upstream's host end of a pod whose namespace cannot be reached is the one that prevResult names, and surely not
   * another's: whether a veth of that name and MAC address is as the type's own are.
   */
  isLikeOwn(host: NetlinkSocket, link: LinkView): boolean;
  /** What goes once the container cannot send any more. */
  afterInterface?(): Promise<void> | undefined;
}

/**
 * DEL: the interface before the addresses, so that no address is given to another pod while this one still has it;
 * except where they are given back through it.
 * Whatever is missing is fine.
 */
export async function delVeth(
  request: DelRequest,
  deletion: VethDeletion,
  { along = [] }: DelOptions = {},
): Promise<void> {
  const { conf } = request;
  const errors = collectErrors('DEL');
  const ipMasq = readIpMasq(conf);
  using rules = await errors.tryAsync(() => removeRules(request, ipMasq, along.splice(0), errors));
  const type = conf.ipam?.type ?? '';
  const ipam = type === '' ? undefined : await errors.tryAsync(() => attachingIpamOf(type));
  if (ipam?.usesInterface) await errors.tryAsync(() => ipam.del(request));
  deleteInterface(request, deletion, rules?.fd === undefined ? [] : [rules.fd]);
  const after = errors.try(() => deletion.afterInterface?.());
  if (after) await errors.tryAsync(() => after);
  if (ipam && !ipam.usesInterface) await errors.tryAsync(() => ipam.del(request));
  errors.throwIfAny();
}

/** The attachment's masquerade rules, and the removals that come along. Returns the packet filter as removeRules does. */
async function removeRules(
  { conf, env }: DelRequest,
  ipMasq: boolean,
  removals: RuleRemoval[],
  errors: ErrorCollector,
): Promise<KernelNftables | undefined> {
  if (ipMasq) {
    const key = { network: conf.name, containerId: env.containerId, ifname: env.ifname };
    const addresses: Cidr[] = [];
    for (const { address } of conf.prevResult?.ips ?? []) addresses.push(address);
    removals.push((await import('./masquerade.ts')).masqueradeRemoval(key, addresses));
  }
  if (removals.length === 0) return undefined;
  return (await import('./remove-rules.ts')).removeRules(removals, errors);
}

/** @param keep descriptors that are better closed by whoever removes the interface */
function deleteInterface(request: DelRequest, deletion: VethDeletion, keep: readonly Fd[]): void {
  const { conf, env } = request;
  using host = NetlinkSocket.open(NETLINK.ROUTE);
  const own = findHostVeth(host, { network: conf.name, containerId: env.containerId, ifname: env.ifname });
  if (own) {
    deleteLinkQuickly(host, own, { keep });
    return;
  }
  // None of ours: upstream's plugin may have made it, with a host end of any name.
  using netns = openPodNetnsIfExists(env.netns);
  if (netns) {
    using pod = NetlinkSocket.open(NETLINK.ROUTE, { netns });
    const link = readLink(pod, { name: env.ifname });
    if (link) deleteLinkQuickly(pod, link, { keep, netns });
    return;
  }
  const left = findByPrevResult(host, request, deletion);
  if (left) deleteLinkQuickly(host, left, { keep });
}

function findByPrevResult(
  host: NetlinkSocket,
  { conf }: DelRequest,
  deletion: VethDeletion,
): LinkView | undefined {
  for (const { sandbox, name, mac } of conf.prevResult?.interfaces ?? []) {
    if (sandbox || name === '') continue;
    const link = readLink(host, { name });
    if (link?.kind !== 'veth' || isAttachmentAlias(link.alias)) continue;
    if (link.mac === undefined || mac !== formatMac(link.mac)) continue;
    if (deletion.isLikeOwn(host, link)) return link;
  }
  return undefined;
}
