import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { contains, networkOf, parseCidr } from '../../shared/ip/cidr.ts';
import { type Ip, parseIp } from '../../shared/ip/ip.ts';
import type { Link } from '../../shared/netlink/codec/link.ts';
import { type Route, RT_TABLE, RTN, RTPROT } from '../../shared/netlink/codec/route.ts';
import { directRoutes } from './direct-routes.ts';
import { ROUTE_PROTOCOL } from './network/desired.ts';

const ip = (text: string): Ip => parseIp(text) as Ip;
const links = ['eth0', 'eth1', 'flannel.1'].map((name, n) => ({ name, index: n + 2 }) as Link);

function route(destination: string, part: Partial<Route> = {}): Route {
  const common = {
    table: RT_TABLE.MAIN,
    protocol: RTPROT.KERNEL,
    scope: 253,
    type: RTN.UNICAST,
    flags: 0,
    tos: 0,
  };
  return { destination: networkOf(parseCidr(destination)!), oif: 2, ...common, ...part };
}

const via = (gateway: string): Partial<Route> => ({ gateway: ip(gateway), protocol: RTPROT.STATIC });
const direct = (routes: Route[], address: string): string | undefined =>
  directRoutes({ links, routes }, ['flannel.1'])(ip(address));

describe('an address is on the link', () => {
  const home = [route('192.0.2.0/24'), route('0.0.0.0/0', via('192.0.2.254'))];

  test.each<[string, Route[], string, string | undefined]>([
    ['of its network', home, '192.0.2.7', 'eth0'],
    ['not behind the gateway', home, '198.51.100.7', undefined],
    ['of the longest prefix', [...home, route('192.0.2.64/26', { oif: 3 })], '192.0.2.70', 'eth1'],
    [
      'but for a longer one with a gateway',
      [...home, route('192.0.2.7/32', via('192.0.2.9'))],
      '192.0.2.7',
      undefined,
    ],
    [
      'of the lowest metric',
      [route('192.0.2.0/24', { priority: 9 }), route('192.0.2.0/24', { oif: 3 })],
      '192.0.2.7',
      'eth1',
    ],
    ['that is no tunnel', [route('192.0.2.0/24', { oif: 4 })], '192.0.2.7', undefined],
    [
      'but of no black hole',
      [...home, route('192.0.2.7/32', { type: RTN.BLACKHOLE })],
      '192.0.2.7',
      undefined,
    ],
    [
      'whatever routes we made',
      [...home, route('192.0.2.0/28', { protocol: ROUTE_PROTOCOL, oif: 4 })],
      '192.0.2.7',
      'eth0',
    ],
    ['of another table', [route('192.0.2.0/24', { table: 100 })], '192.0.2.7', undefined],
    ['of several hops', [route('192.0.2.0/24', { nextHops: [] })], '192.0.2.7', undefined],
    ['IPv6 as well', [route('2001:db8::/64'), ...home], '2001:db8::7', 'eth0'],
    ['of no route at all', [], '2001:db8::7', undefined],
  ])('%s', (_what, routes, address, expected) => {
    expect(direct(routes, address)).toBe(expected);
  });

  test('as a look at every route finds it', () => {
    const anyRoute = fc
      .record({
        ip: fc.nat(255).map((last) => ({ family: 4 as const, value: ip('192.0.2.0').value + BigInt(last) })),
        prefix: fc.integer({ min: 22, max: 32 }),
        oif: fc.constantFrom(2, 3),
        far: fc.boolean(),
      })
      .map(({ far, oif, ...cidr }) =>
        route('0.0.0.0/0', { ...(far && via('192.0.2.254')), oif, destination: networkOf(cidr) }),
      );
    fc.assert(
      fc.property(
        fc.uniqueArray(anyRoute, {
          selector: (one) => `${one.destination.ip.value} ${one.destination.prefix}`,
        }),
        fc.nat(255),
        (routes, last) => {
          const address = { family: 4 as const, value: ip('192.0.2.0').value + BigInt(last) };
          const [best] = routes
            .filter((one) => contains(one.destination, address))
            .sort((a, b) => b.destination.prefix - a.destination.prefix);
          const name = links.find(({ index }) => index === best?.oif)?.name;
          expect(directRoutes({ links, routes }, [])(address)).toBe(best?.gateway ? undefined : name);
        },
      ),
    );
  });
});
