import type { Ip } from '../../../shared/ip/ip.ts';
import { ipEquals } from '../../../shared/ip/ip.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import type { Rule } from '../../../shared/netlink/codec/rule.ts';
import { FR_ACT } from '../../../shared/netlink/codec/rule.ts';
import { isNetlinkError } from '../../../shared/netlink/error.ts';
import type { NetlinkRequest } from '../../../shared/netlink/request.ts';
import { delRule } from '../../../shared/netlink/requests/rule.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import type { DelRequest } from '../../protocol/plugin.ts';
import { readAddresses, readLink } from '../common/links.ts';
import { openPodNetnsIfExists } from '../common/pod-netns.ts';
import { readRules } from '../common/routing.ts';
import { readTable } from './config.ts';
import { hostOf, ownIps } from './own-ips.ts';

/**
 * DEL: removes the rules for the interface's addresses, with `table` those that lead there. What it had and has lost,
 * perhaps with the interface, prevResult knows. The routes go with the interface, as upstream has it.
 */
export function delSbr(request: DelRequest): void {
  const table = tableOf(request);
  using netns = openPodNetnsIfExists(request.env.netns);
  if (!netns) return;
  using pod = NetlinkSocket.open(NETLINK.ROUTE, { netns });
  const ips = addressesOf(pod, request);
  if (ips.length === 0) return;
  const requests: NetlinkRequest[] = [];
  for (const rule of readRules(pod)) if (isOf(rule, ips, table)) requests.push(delRule(rule));
  let failure: Error | undefined;
  for (const { error } of pod.transact(requests))
    if (error && !isNetlinkError(error, 'ENOENT')) failure ??= error;
  if (failure) throw failure;
}

/** What ADD would refuse narrows nothing down. */
function tableOf({ conf }: DelRequest): number | undefined {
  try {
    return readTable(conf.raw['table']);
  } catch {
    return undefined;
  }
}

function addressesOf(pod: NetlinkSocket, { conf, env }: DelRequest): Ip[] {
  const ips: Ip[] = [];
  const link = readLink(pod, { name: env.ifname });
  if (link) for (const { address } of readAddresses(pod, link)) ips.push(address.ip);
  if (conf.prevResult) for (const { address } of ownIps(conf.prevResult, env.ifname)) ips.push(address.ip);
  return ips;
}

function isOf({ source, action, table }: Rule, ips: readonly Ip[], wanted: number | undefined): boolean {
  if (source === undefined || action !== FR_ACT.TO_TBL || source.prefix !== hostOf(source).prefix)
    return false;
  if (wanted !== undefined && table !== wanted) return false;
  for (const ip of ips) if (ipEquals(ip, source.ip)) return true;
  return false;
}
