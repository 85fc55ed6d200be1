import { formatCidr } from '../../ip/cidr.ts';
import { formatIp, type Ip } from '../../ip/ip.ts';
import { SCOPE } from '../codec/address.ts';
import { RTM } from '../codec/constants.ts';
import { NLM_F } from '../codec/message.ts';
import { encodeRoute, encodeRouteFilter, encodeRouteQuery, type RouteSpec } from '../codec/route.ts';
import type { NetlinkRequest } from '../request.ts';

/** Which routes to list. The kernel (since 4.20) filters by every part that is given. */
export interface RouteFilter {
  readonly family: 4 | 6;
  readonly table?: number;
  readonly protocol?: number;
  readonly type?: number;
  readonly oif?: number;
}

/** What else decides which route is taken. */
export interface RouteQuery {
  readonly source?: Ip;
  readonly oif?: number;
  readonly iif?: number;
  readonly mark?: number;
}

/** Adds a route. EEXIST when there is one for the same destination, table, TOS and metric. */
export function newRoute(spec: RouteSpec): NetlinkRequest {
  return request(RTM.NEWROUTE, NLM_F.CREATE | NLM_F.EXCL, 'add', spec);
}

/** Adds a route or replaces the one for the same destination, table, TOS and metric. */
export function replaceRoute(spec: RouteSpec): NetlinkRequest {
  return request(RTM.NEWROUTE, NLM_F.CREATE | NLM_F.REPLACE, 'replace', spec);
}

/** Deletes the first route that agrees in all that is given; what is left out matches any. ESRCH when none does. */
export function delRoute(spec: RouteSpec): NetlinkRequest {
  return request(RTM.DELROUTE, 0, 'delete', { scope: SCOPE.NOWHERE, type: 0, protocol: 0, ...spec });
}

/** Asks for the routes of a family. For `dump`. */
export function dumpRoutes(filter: RouteFilter): NetlinkRequest {
  return { type: RTM.GETROUTE, flags: NLM_F.DUMP, payload: encodeRouteFilter(filter), what: 'list routes' };
}

/** Asks which route the kernel would take to `destination`. ENETUNREACH when there is none. */
export function getRoute(destination: Ip, query: RouteQuery = {}): NetlinkRequest {
  return {
    type: RTM.GETROUTE,
    flags: 0,
    payload: encodeRouteQuery(destination, query),
    replies: true,
    what: () => `look up route to ${formatIp(destination)}`,
  };
}

function request(type: number, flags: number, verb: string, spec: RouteSpec): NetlinkRequest {
  const what = (): string => {
    const via = spec.gateway === undefined ? '' : ` via ${formatIp(spec.gateway)}`;
    const dev = spec.oif === undefined ? '' : ` on link number ${spec.oif}`;
    return `${verb} route to ${formatCidr(spec.destination)}${via}${dev}`;
  };
  return { type, flags, payload: encodeRoute(spec), what };
}
