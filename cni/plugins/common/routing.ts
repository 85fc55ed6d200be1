/** What a container's kernel knows of routing. */

import { familyNumber } from '../../../shared/netlink/codec/constants.ts';
import type { Route } from '../../../shared/netlink/codec/route.ts';
import { decodeRoute, RT_TABLE } from '../../../shared/netlink/codec/route.ts';
import type { Rule } from '../../../shared/netlink/codec/rule.ts';
import { decodeRule } from '../../../shared/netlink/codec/rule.ts';
import { isNetlinkError } from '../../../shared/netlink/error.ts';
import { dumpRoutes } from '../../../shared/netlink/requests/route.ts';
import { dumpRules } from '../../../shared/netlink/requests/rule.ts';
import type { NetlinkSocket } from '../../../shared/netlink/socket.ts';

const families = [4, 6] as const;

/** rtm_table in struct rtmsg (linux/rtnetlink.h). */
const tableAt = 4;

/** The rules of both families, in their order. */
export function readRules(pod: NetlinkSocket): Rule[] {
  const rules: Rule[] = [];
  for (const family of families) {
    try {
      for (const { payload } of pod.dump(dumpRules(family))) rules.push(decodeRule(payload));
    } catch (error) {
      // A kernel that was started without IPv6.
      if (!isNetlinkError(error, 'EAFNOSUPPORT')) throw error;
    }
  }
  return rules;
}

/** The routes of both families in all tables but the one of local addresses. */
export function readRoutes(pod: NetlinkSocket): Route[] {
  const routes: Route[] = [];
  for (const family of families) {
    for (const { payload } of pod.dump(dumpRoutes({ family }))) {
      // Asked for a family that it lacks, the kernel tells all others'.
      if (payload[0] === familyNumber(family) && payload[tableAt] !== RT_TABLE.LOCAL)
        routes.push(decodeRoute(payload));
    }
  }
  return routes;
}
