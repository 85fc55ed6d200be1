import type { Cidr } from '../../../shared/ip/cidr.ts';
import { formatMac } from '../../../shared/ip/mac.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import type { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { Fd } from '../../../shared/sys/fd.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import type { DelRequest } from '../../protocol/plugin.ts';
import type { Interface } from '../../protocol/result.ts';
import { attachingIpamOf } from '../common/attaching-ipam.ts';
import { isAttachmentAlias } from '../common/attachment.ts';
import type { ErrorCollector } from '../common/collect-errors.ts';
import { collectErrors } from '../common/collect-errors.ts';
import type { DelOptions } from '../common/delegate.ts';
import { deleteLinkQuickly } from '../common/delete-link.ts';
import { findHostVeth } from '../common/host-veth.ts';
import type { LinkView } from '../common/link-view.ts';
import { readLink } from '../common/links.ts';
import { openPodNetnsIfExists } from '../common/pod-netns.ts';
import type { RuleRemoval } from '../common/rule-changes.ts';
import { readBridgeName, readIpMasq, readMacSpoofCheck } from './config.ts';

/**
 * DEL: the interface before the addresses, so that no address is given to another pod while this one still has it;
 * except where they are given back through it.
 * Whatever is missing is fine.
 */
export async function delBridge(request: DelRequest, { along = [] }: DelOptions = {}): Promise<void> {
  const { conf } = request;
  const errors = collectErrors('DEL');
  const ipMasq = readIpMasq(conf);
  using rules = await errors.tryAsync(() => removeRules(request, ipMasq, along.splice(0), errors));
  const type = conf.ipam?.type ?? '';
  const ipam = type === '' ? undefined : await errors.tryAsync(() => attachingIpamOf(type));
  if (ipam?.usesInterface) await errors.tryAsync(() => ipam.del(request));
  deleteInterface(request, rules?.fd === undefined ? [] : [rules.fd]);
  // After the interface: as long as the container can send, it is checked.
  if (readMacSpoofCheck(conf)) await errors.tryAsync(() => removeSpoofCheck(request));
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
    removals.push((await import('../common/masquerade.ts')).masqueradeRemoval(key, addresses));
  }
  if (removals.length === 0) return undefined;
  return (await import('../common/remove-rules.ts')).removeRules(removals, errors);
}

async function removeSpoofCheck({ conf, env }: DelRequest): Promise<void> {
  const { removeMacSpoofCheck } = await import('./spoof-check.ts');
  removeMacSpoofCheck({ network: conf.name, containerId: env.containerId, ifname: env.ifname });
}

/** @param keep descriptors that are better closed by whoever removes the interface */
function deleteInterface({ conf, env }: DelRequest, keep: readonly Fd[]): void {
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
  const left = findByPrevResult(host, conf);
  if (left) deleteLinkQuickly(host, left, { keep });
}

/** Upstream's host end of a pod whose namespace cannot be reached: as prevResult names it, and surely not another's. */
function findByPrevResult(host: NetlinkSocket, conf: NetConf): LinkView | undefined {
  const bridgeName = readBridgeName(conf);
  const bridge = readLink(host, { name: bridgeName });
  for (const candidate of conf.prevResult?.interfaces ?? []) {
    if (candidate.sandbox || candidate.name === bridgeName || candidate.name === '') continue;
    const link = readLink(host, { name: candidate.name });
    if (link && bridge && isUpstreamsVeth(link, candidate, bridge)) return link;
  }
  return undefined;
}

function isUpstreamsVeth(link: LinkView, recorded: Interface, bridge: LinkView): boolean {
  if (link.kind !== 'veth' || link.master !== bridge.index || isAttachmentAlias(link.alias)) return false;
  return link.mac !== undefined && recorded.mac === formatMac(link.mac);
}
