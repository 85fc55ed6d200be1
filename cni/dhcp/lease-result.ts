/** What a lease means to CNI: as upstream's plugin has it. Pure. */

import type { Ip } from '../../shared/ip/ip.ts';
import { formatIp } from '../../shared/ip/ip.ts';
import { invalidConfig } from '../protocol/error.ts';
import type { Result, Route } from '../protocol/result.ts';
import type { Lease } from './client/lease.ts';
import type { DhcpMessage } from './codec/message.ts';
import { OPTION } from './codec/option-codes.ts';
import { readClasslessRoutes, readIp, readPrefix, readStaticRoutes } from './codec/options.ts';

/** RT_SCOPE_LINK, linux/rtnetlink.h: for destinations without a router. */
const SCOPE_LINK = 253;

/**
 * Address, gateway (the first router) and routes. Name servers stay out of it.
 *
 * @param priority metric of the routes; 0 leaves it out
 * @throws CniError code 7 without a subnet mask
 */
export function leaseResult({ ack, address }: Lease, priority: number): Result {
  const prefix = readPrefix(ack);
  if (prefix === undefined) {
    throw invalidConfig(`the DHCP server gave ${formatIp(address)} without a usable subnet mask (option 1)`, {
      details: 'let the server send it; with "skipDefault" add {"option": "subnet-mask"} to ipam.request',
    });
  }
  const gateway = readIp(ack, OPTION.ROUTER);
  const ip = { address: { ip: address, prefix }, ...(gateway ? { gateway } : {}) };
  const routes = routesOf(ack, gateway).map((route) => (priority === 0 ? route : { ...route, priority }));
  return { interfaces: [], ips: [ip], routes, dns: {} };
}

/** Option 121 alone where it says anything, as RFC 3442 demands; else option 33, and the default route by the router. */
function routesOf(ack: DhcpMessage, gateway: Ip | undefined): Route[] {
  const classless = readClasslessRoutes(ack) ?? [];
  if (classless.length > 0) {
    return classless.map(({ destination: dst, router: gw }) =>
      gw.value === 0n ? { dst, gw, scope: SCOPE_LINK } : { dst, gw },
    );
  }
  const routes: Route[] = readStaticRoutes(ack).map(({ destination, router }) => ({
    dst: destination,
    gw: router,
  }));
  if (gateway) routes.push({ dst: { ip: { family: 4, value: 0n }, prefix: 0 }, gw: gateway });
  return routes;
}
