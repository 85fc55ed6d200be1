import { describe, expect, test } from 'vitest';
import { type Address, IFA_F, SCOPE } from './codec/address.ts';
import type { Link } from './codec/link.ts';
import { type Route, RTPROT } from './codec/route.ts';
import { type AdvertisedNetwork, acceptRaToRaise, type KnownInterfaces } from './router-advertisements.ts';
import { cidr } from './testing/golden.ts';

const link = (index: number, name: string, flags = 1): Link => ({
  index,
  name,
  flags,
  changeMask: 0,
  family: 0,
  hardwareType: 1,
});

const route = (part: Partial<Route>): Route => ({
  destination: cidr('::/0'),
  table: 254,
  protocol: RTPROT.RA,
  scope: 0,
  type: 1,
  flags: 0,
  tos: 0,
  ...part,
});

const address = (index: number, text: string, protocol: number): Address => ({
  index,
  address: cidr(text),
  scope: 0,
  flags: 0,
  protocol,
});

const network: AdvertisedNetwork = {
  links: [
    link(1, 'lo', 1 | 8),
    link(2, 'route'),
    link(3, 'hop'),
    link(4, 'address'),
    link(5, 'static'),
    link(6, 'tunnel'),
  ],
  routes: [
    route({ oif: 1 }),
    route({ oif: 2 }),
    route({ nextHops: [{ oif: 3, weight: 0, flags: 0 } as never] }),
    route({ oif: 5, protocol: RTPROT.STATIC }),
    route({ oif: 6 }),
  ],
  // IFAPROT_KERNEL_RA is 2, IFAPROT_KERNEL_LL 3.
  addresses: [address(4, '2001:db8::1/64', 2), address(5, 'fe80::1/64', 3), address(5, '192.0.2.1/24', 2)],
};

function raised(known?: KnownInterfaces, read = (_key: string): string | undefined => '1'): string[] {
  return acceptRaToRaise(network, read, known).map((key) => key.split('/')[3] ?? '');
}

describe('accept_ra is to be raised', () => {
  test('where routes or addresses come from a router', () => {
    expect(raised()).toEqual(['route', 'hop', 'address', 'tunnel']);
  });

  test('towards other nodes too, and never for the tunnel', () => {
    expect(raised({ underlays: ['static', 'lo'], deaf: ['tunnel'] })).toEqual([
      'route',
      'hop',
      'address',
      'static',
    ]);
  });

  test('where an address has an end, on a kernel that does not say who made it', () => {
    const old = (index: number, text: string, flags: number, scope = 0): Address => ({
      index,
      address: cidr(text),
      scope,
      flags,
    });
    const addresses = [
      old(2, '2001:db8::1/64', 0),
      old(3, '2001:db8::2/64', IFA_F.PERMANENT),
      old(4, 'fe80::1/64', 0, SCOPE.LINK),
      old(5, '192.0.2.1/24', 0),
    ];
    expect(acceptRaToRaise({ ...network, routes: [], addresses }, () => '1')).toEqual([
      'net/ipv6/conf/route/accept_ra',
    ]);
  });

  test('only where it has the kernel’s own value', () => {
    const values: Record<string, string> = { route: '0', hop: '2', address: '1' };
    expect(raised({}, (key) => values[key.split('/')[3] ?? ''])).toEqual(['address']);
  });
});
