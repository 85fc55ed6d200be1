import { expect, test } from 'vitest';
import { parseCidr } from '../../../shared/ip/cidr.ts';
import { parseIp } from '../../../shared/ip/ip.ts';
import type { Route } from '../../../shared/netlink/codec/route.ts';
import { RTNH_F, RTPROT } from '../../../shared/netlink/codec/route.ts';
import { routesBy } from './moved-routes.ts';

/** A route as the kernel tells it, by way of text. */
function route(destination: string, more: Partial<Route>): Route {
  return {
    destination: parseCidr(destination) as Route['destination'],
    table: 254,
    protocol: RTPROT.BOOT,
    scope: 0,
    type: 1,
    flags: 0,
    tos: 0,
    ...more,
  };
}

const gateway = (text: string): { gateway: NonNullable<Route['gateway']> } => ({
  gateway: parseIp(text) as NonNullable<Route['gateway']>,
});

test('takes what leaves by the interface, without what is state', () => {
  const cacheInfo = { type: 12, nested: false, payload: new Uint8Array(32) };
  const encap = { type: 21, nested: false, payload: Uint8Array.of(1, 0) };
  const own = route('10.1.0.0/24', {
    oif: 3,
    flags: RTNH_F.ONLINK | RTNH_F.LINKDOWN | RTNH_F.DEAD,
    unknown: [cacheInfo, encap],
  });
  const others = [route('10.2.0.0/24', { oif: 4 }), route('192.0.2.0/24', { type: 6 })];
  expect(routesBy(3, [own, ...others])).toEqual([
    route('10.1.0.0/24', { oif: 3, flags: RTNH_F.ONLINK, unknown: [encap] }),
  ]);
});

test('of ways that IPv6 lists as one route takes the interface’s, of IPv4 none', () => {
  const nextHops = [
    { oif: 3, weight: 1, flags: 0, ...gateway('fd00::1') },
    { oif: 4, weight: 1, flags: RTNH_F.LINKDOWN, ...gateway('fd00::2') },
    { oif: 4, weight: 1, flags: 0 },
  ];
  const joined = route('::/0', { priority: 1024, nextHops });
  expect(routesBy(4, [joined, route('0.0.0.0/0', { nextHops })])).toEqual([
    route('::/0', { priority: 1024, oif: 4, ...gateway('fd00::2') }),
    route('::/0', { priority: 1024, oif: 4 }),
  ]);
});
