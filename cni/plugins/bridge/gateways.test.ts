import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Cidr } from '../../../shared/ip/cidr.ts';
import { cidrEquals, formatCidr, parseCidr } from '../../../shared/ip/cidr.ts';
import { formatIp, parseIp } from '../../../shared/ip/ip.ts';
import type { IpConfig, Route } from '../../protocol/result.ts';
import { findConflicts, findStale, planAddresses } from './gateways.ts';

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (!parsed) throw new Error(text);
  return parsed;
}

function address(text: string, gateway?: string): IpConfig {
  const ip = gateway === undefined ? undefined : parseIp(gateway);
  return { address: cidr(text), ...(ip ? { gateway: ip } : {}) };
}

function route(dst: string, gw?: string): Route {
  const ip = gw === undefined ? undefined : parseIp(gw);
  return { dst: cidr(dst), ...(ip ? { gw: ip } : {}) };
}

function shownRoutes(routes: readonly Route[]): string[] {
  return routes.map(({ dst, gw }) => `${formatCidr(dst)} via ${gw ? formatIp(gw) : '-'}`);
}

describe('addresses and routes', () => {
  test('without isGateway nothing is added', () => {
    const plan = planAddresses(
      { ips: [address('10.1.0.2/24')], routes: [] },
      { isGateway: false, isDefaultGateway: false },
    );
    expect(plan).toEqual({ ips: [{ ...address('10.1.0.2/24'), interface: 2 }], routes: [], gateways: [] });
  });

  test('with isGateway the subnet’s first address is the gateway where IPAM names none', () => {
    const ips = [address('10.1.0.2/24'), address('fd00::5/64', 'fd00::1:1')];
    const { gateways, ips: planned } = planAddresses(
      { ips, routes: [] },
      { isGateway: true, isDefaultGateway: false },
    );
    expect(gateways.map(formatCidr)).toEqual(['10.1.0.1/24', 'fd00::1:1/64']);
    expect(planned.map(({ gateway }) => gateway && formatIp(gateway))).toEqual(['10.1.0.1', 'fd00::1:1']);
  });

  test('isDefaultGateway adds one default route a family', () => {
    const ips = [address('10.1.0.2/24'), address('10.2.0.2/24'), address('fd00::5/64')];
    const { routes } = planAddresses(
      { ips, routes: [route('10.0.0.0/8')] },
      { isGateway: true, isDefaultGateway: true },
    );
    expect(shownRoutes(routes)).toEqual(['10.0.0.0/8 via -', '0.0.0.0/0 via 10.1.0.1', '::/0 via fd00::1']);
  });

  test('a default route of IPAM counts where it has a gateway', () => {
    const both = { isGateway: true, isDefaultGateway: true };
    const ips = [address('10.1.0.2/24')];
    expect(
      shownRoutes(planAddresses({ ips, routes: [route('0.0.0.0/0', '10.1.0.9')] }, both).routes),
    ).toEqual(['0.0.0.0/0 via 10.1.0.9']);
    expect(planAddresses({ ips, routes: [route('0.0.0.0/0')] }, both).routes).toHaveLength(2);
    expect(planAddresses({ ips, routes: [route('::/0', 'fd00::1')] }, both).routes).toHaveLength(2);
  });

  test('an address alone in its subnet has its successor as gateway, as upstream has it', () => {
    const { gateways } = planAddresses(
      { ips: [address('10.1.0.2/32')], routes: [] },
      { isGateway: true, isDefaultGateway: false },
    );
    expect(gateways.map(formatCidr)).toEqual(['10.1.0.3/32']);
  });
});

describe('what a new address of the bridge conflicts with', () => {
  const find = (present: string[], gateways: string[], added: string[] = gateways): string[] =>
    findConflicts([...present, ...added].map(cidr), gateways.map(cidr), added.map(cidr)).map(formatCidr);

  test.each([
    [[], ['10.1.0.1/24'], []],
    [['fd01::1/64', 'fe80::1/64'], ['fd00::1/64'], []],
    [['fd01::1/64'], ['10.1.0.1/24'], []],
    [['10.9.0.1/24'], ['10.1.0.1/24'], ['10.9.0.1/24']],
    [['10.1.0.1/16'], ['10.1.0.1/24'], ['10.1.0.1/16']],
    [['fd00::2/48'], ['fd00::1/64'], ['fd00::2/48']],
    [['fd00::2/64', 'fd01::2/64'], ['fd00::1/48'], ['fd00::2/64']],
  ])('%j and %j: %j', (present, gateways, expected) => {
    expect(find(present, gateways)).toEqual(expected);
  });

  test('gateways of one pod do not conflict with each other', () => {
    expect(find(['10.1.0.1/24'], ['10.1.0.1/24', '10.2.0.1/24'], ['10.2.0.1/24'])).toEqual([]);
  });

  test('is never a gateway, and there is some for every IPv4 address that is none', () => {
    const any = fc.record({ net: fc.integer({ min: 0, max: 3 }), prefix: fc.constantFrom(16, 24) });
    const cidrs = fc.array(
      any.map(({ net, prefix }) => cidr(`10.${net}.0.1/${prefix}`)),
      { minLength: 1, maxLength: 4 },
    );
    fc.assert(
      fc.property(cidrs, cidrs, (present, gateways) => {
        const found = findConflicts(present, gateways, gateways);
        for (const address of present) {
          const isGateway = gateways.some((gateway) => cidrEquals(gateway, address));
          expect(found.includes(address)).toBe(!isGateway);
        }
      }),
    );
  });
});

describe('what the bridge has of a subnet that the node had before', () => {
  const find = (
    present: string[],
    routes: Route[],
    gateways = ['10.1.2.1/24', 'fd00:0:0:2::1/64'],
  ): string[] => findStale(present.map(cidr), { gateways: gateways.map(cidr), routes }).map(formatCidr);
  const cluster = [route('10.1.0.0/16'), route('fd00::/48'), route('::/0', 'fd00:0:0:2::1')];

  test('an IPv6 address in a network that pods reach by the gateway', () => {
    const present = ['fd00:0:0:1::1/64', 'fd00:0:0:2::1/64', 'fe80::1/64', '10.1.2.1/24'];
    expect(find(present, cluster)).toEqual(['fd00:0:0:1::1/64']);
  });

  test('not what is elsewhere, nor what is in a gateway’s own subnet, nor without such a network', () => {
    expect(find(['fd01::1/64', 'fd00:0:0:2::9/128'], cluster)).toEqual([]);
    expect(
      find(['fd00:0:0:1::1/64'], [route('::/0', 'fd00:0:0:2::1'), route('fd00::/48', 'fd00:0:0:2::9')]),
    ).toEqual([]);
  });
});
