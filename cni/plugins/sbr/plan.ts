/** What gives each address a routing table of its own. Pure. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { cidrEquals, contains } from '../../../shared/ip/cidr.ts';
import type { Ip } from '../../../shared/ip/ip.ts';
import { formatIp } from '../../../shared/ip/ip.ts';
import { NLM_F } from '../../../shared/netlink/codec/message.ts';
import type { Route, RouteSpec } from '../../../shared/netlink/codec/route.ts';
import { RT_TABLE } from '../../../shared/netlink/codec/route.ts';
import type { Rule } from '../../../shared/netlink/codec/rule.ts';
import type { NetlinkRequest } from '../../../shared/netlink/request.ts';
import { delRoute, newRoute, replaceRoute } from '../../../shared/netlink/requests/route.ts';
import { delRule, newRule } from '../../../shared/netlink/requests/rule.ts';
import type { IpConfig } from '../../protocol/result.ts';
import { routesBy } from '../common/moved-routes.ts';
import type { SbrConfig } from './config.ts';
import { hintsOf, staysInMain } from './main-table.ts';
import { hostOf } from './own-ips.ts';
import type { Step } from './steps.ts';

/** As upstream: tables are numbered from here on. */
const firstTable = 100;

/** The container's interface with its addresses. */
export interface Sources {
  readonly index: number;
  readonly ifname: string;
  /** At least one. */
  readonly ips: readonly IpConfig[];
}

/** The gateway that packets from an address take; undefined without one. */
export function gatewayOf({ address, gateway }: IpConfig, { gateways }: SbrConfig): Ip | undefined {
  return gateways[address.ip.family] ?? gateway;
}

/** Rules that lead packets from each address to one table. */
export function rulesTo(table: number, { ips }: Pick<Sources, 'ips'>): Step[] {
  const steps: Step[] = [];
  for (const { address } of ips) steps.push(ruleStep(address, table));
  return steps;
}

/**
 * Each address gets a free table with a rule for it. The interface's routes are copied to the tables first, then taken
 * away from the main one: until then that one says how their gateways are reached.
 */
export function tablesOf(
  sources: Sources,
  config: SbrConfig,
  now: { readonly rules: readonly Rule[]; readonly routes: readonly Route[] },
): Step[] {
  const { index, ips } = sources;
  const taken = takenTables(now.rules, now.routes);
  const movable = mainRoutes(index, ips, now.routes);
  const steps: Step[] = [];
  let table = firstTable;
  for (const ip of ips) {
    while (taken.has(table)) table++;
    const gateway = gatewayOf(ip, config);
    if (gateway) steps.push(defaultStep(sources, ip, gateway, table));
    const copied: Route[] = [];
    for (const route of movable) {
      if (!goesWith(route, ip, ips) || isReplaced(route, config)) continue;
      steps.push(copyStep(route, table, copied));
      copied.push(route);
    }
    steps.push(ruleStep(ip.address, table));
    table++;
  }
  const hinted = config.addSourceHints ? hintsOf(index, ips, movable) : [];
  for (const hint of hinted) if (hint.isNew) steps.push(addStep(hint.route));
  const going: Route[] = [];
  for (const route of movable) if (!staysInMain(route, config, hinted)) going.push(route);
  // In this order they come back, should a step fail, with the way to a gateway before what goes by it.
  for (const route of going) if (route.gateway !== undefined) steps.push(removeStep(route));
  for (const route of going) if (route.gateway === undefined) steps.push(removeStep(route));
  return steps;
}

/** Tables that a rule leads to or that a route is in. (Upstream asks only for rules, and so mixes up tables.) */
function takenTables(rules: readonly Rule[], routes: readonly Route[]): Set<number> {
  const taken = new Set<number>([RT_TABLE.DEFAULT, RT_TABLE.MAIN, RT_TABLE.LOCAL]);
  for (const { table } of rules) taken.add(table);
  for (const { table } of routes) taken.add(table);
  return taken;
}

/** The interface's routes in the main table, of families that it has addresses of: no rule leads to others. */
function mainRoutes(index: number, ips: readonly IpConfig[], routes: readonly Route[]): Route[] {
  const found: Route[] = [];
  for (const route of routesBy(index, routes))
    if (route.table === RT_TABLE.MAIN && hasFamily(ips, route.destination.ip.family)) found.push(route);
  return found;
}

function hasFamily(ips: readonly IpConfig[], family: 4 | 6): boolean {
  for (const { address } of ips) if (address.ip.family === family) return true;
  return false;
}

/** A route that names one of the addresses' subnets is that address's; any other serves all of its family. */
function goesWith(route: Route, ip: IpConfig, ips: readonly IpConfig[]): boolean {
  if (route.destination.ip.family !== ip.address.ip.family) return false;
  if (names(route, ip.address)) return true;
  for (const { address } of ips) if (names(route, address)) return false;
  return true;
}

/** A gateway of the configuration is taken instead of what the plugins before have set up. */
function isReplaced({ destination: { ip, prefix } }: Route, { gateways }: SbrConfig): boolean {
  return prefix === 0 && gateways[ip.family] !== undefined;
}

function names({ preferredSource, gateway }: Route, subnet: Cidr): boolean {
  return (
    (preferredSource !== undefined && contains(subnet, preferredSource)) ||
    (gateway !== undefined && contains(subnet, gateway))
  );
}

function ruleStep(address: Cidr, table: number): Step {
  const rule = { family: address.ip.family, source: hostOf(address), table };
  return { request: newRule(rule), undo: delRule(rule) };
}

function defaultStep({ index, ifname }: Sources, { address }: IpConfig, gateway: Ip, table: number): Step {
  const { family } = address.ip;
  const route = { destination: { ip: { family, value: 0n }, prefix: 0 }, gateway, oif: index, table };
  return {
    request: newRoute(route),
    undo: delRoute(route),
    unreachable: `the gateway ${formatIp(gateway)} for packets from ${formatIp(address.ip)} cannot be reached by ${ifname}`,
  };
}

/**
 * Takes the place of the default route that was made for the gateway, where it is one; but not that of a route that was
 * copied before, which it stands behind as in the main table.
 */
function copyStep(route: Route, table: number, before: readonly Route[]): Step {
  const copy = { ...route, table };
  return { request: hasEqual(before, route) ? beside(copy) : replaceRoute(copy), undo: delRoute(copy) };
}

/** What the kernel tells a table's routes apart by, when it is to replace one. */
function hasEqual(routes: readonly Route[], { destination, priority, tos }: Route): boolean {
  for (const one of routes)
    if (cidrEquals(one.destination, destination) && one.priority === priority && one.tos === tos) return true;
  return false;
}

function addStep(route: RouteSpec): Step {
  return { request: beside(route), undo: delRoute(route) };
}

function removeStep(route: Route): Step {
  return { request: delRoute(route), undo: beside(route) };
}

/** Another interface may have a route to the same subnet: it stays, and stays the first. */
function beside(route: RouteSpec): NetlinkRequest {
  return { ...newRoute(route), flags: NLM_F.CREATE | NLM_F.APPEND };
}
