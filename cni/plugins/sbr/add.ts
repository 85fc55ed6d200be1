import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { invalidConfig } from '../../protocol/error.ts';
import type { AddRequest } from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import { readLink } from '../common/links.ts';
import { openPodNetns } from '../common/pod-netns.ts';
import { readRoutes, readRules } from '../common/routing.ts';
import { readSbrConfig } from './config.ts';
import { ownIps } from './own-ips.ts';
import { rulesTo, tablesOf } from './plan.ts';
import { carryOut } from './steps.ts';

/**
 * ADD: hands prevResult on. All or nothing.
 *
 * Which table is free is asked without a lock: a runtime makes one call for a container at a time (specification 1.1.0,
 * section 3, "Lifecycle & Ordering").
 */
export function addSbr({ conf, env }: AddRequest): Result {
  const config = readSbrConfig(conf);
  const { prevResult } = conf;
  if (!prevResult)
    throw invalidConfig('ADD needs "prevResult": sbr comes after a plugin that makes the interface');
  const { ifname } = env;
  const ips = ownIps(prevResult, ifname);
  if (ips.length === 0) {
    throw invalidConfig(`prevResult gives ${ifname} no address to tell packets by`, {
      details: 'chain this plugin after one that has an IPAM plugin',
    });
  }
  using netns = openPodNetns(env.netns);
  using pod = NetlinkSocket.open(NETLINK.ROUTE, { netns });
  const link = readLink(pod, { name: ifname });
  if (!link) throw invalidConfig(`the container has no interface ${ifname}`);
  if (config.table !== undefined) carryOut(pod, rulesTo(config.table, { ips }));
  else {
    const now = { rules: readRules(pod), routes: readRoutes(pod) };
    carryOut(pod, tablesOf({ index: link.index, ifname, ips }, config, now));
  }
  return prevResult;
}
