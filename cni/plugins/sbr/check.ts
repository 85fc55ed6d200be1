import { cidrEquals } from '../../../shared/ip/cidr.ts';
import type { Ip } from '../../../shared/ip/ip.ts';
import { formatIp, ipEquals } from '../../../shared/ip/ip.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import type { Route } from '../../../shared/netlink/codec/route.ts';
import type { Rule } from '../../../shared/netlink/codec/rule.ts';
import { FR_ACT } from '../../../shared/netlink/codec/rule.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { invalidConfig } from '../../protocol/error.ts';
import type { CheckRequest } from '../../protocol/plugin.ts';
import type { IpConfig } from '../../protocol/result.ts';
import { checkFailed } from '../common/check-failed.ts';
import { readLink } from '../common/links.ts';
import { routesBy } from '../common/moved-routes.ts';
import { openPodNetns } from '../common/pod-netns.ts';
import { readRoutes, readRules } from '../common/routing.ts';
import { readSbrConfig } from './config.ts';
import { hostOf, ownIps } from './own-ips.ts';
import { gatewayOf } from './plan.ts';

/** CHECK: each address has its rule, and the table behind it leads to the address's gateway by the interface. */
export function checkSbr({ conf, env }: CheckRequest): void {
  const config = readSbrConfig(conf);
  const { prevResult } = conf;
  if (!prevResult) throw invalidConfig('CHECK needs "prevResult": pass the result of ADD');
  using netns = openPodNetns(env.netns);
  using pod = NetlinkSocket.open(NETLINK.ROUTE, { netns });
  const link = readLink(pod, { name: env.ifname });
  if (!link) throw checkFailed(`the container has no interface ${env.ifname}`);
  const rules = readRules(pod);
  const routes = routesBy(link.index, readRoutes(pod));
  for (const ip of ownIps(prevResult, env.ifname)) {
    const tables = tablesFor(ip, rules);
    if (config.table !== undefined) {
      if (!tables.includes(config.table))
        throw checkFailed(`no rule leads packets from ${formatIp(ip.address.ip)} to table ${config.table}`);
      continue;
    }
    if (tables.length === 0) throw checkFailed(`packets from ${formatIp(ip.address.ip)} have no rule`);
    const gateway = gatewayOf(ip, config);
    if (gateway && !routes.some((route) => tables.includes(route.table) && leadsTo(route, gateway))) {
      const where = `table ${tables.join(' or ')}, which packets from ${formatIp(ip.address.ip)} take,`;
      throw checkFailed(`${where} has no default route to ${formatIp(gateway)} by ${env.ifname}`);
    }
  }
}

function tablesFor({ address }: IpConfig, rules: readonly Rule[]): number[] {
  const source = hostOf(address);
  return rules
    .filter(
      (rule) => rule.action === FR_ACT.TO_TBL && rule.source !== undefined && cidrEquals(rule.source, source),
    )
    .map(({ table }) => table);
}

function leadsTo({ destination, gateway }: Route, wanted: Ip): boolean {
  return destination.prefix === 0 && gateway !== undefined && ipEquals(gateway, wanted);
}
