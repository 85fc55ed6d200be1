import { describe, expect, test } from 'vitest';
import { parseCidr } from '../../shared/ip/cidr.ts';
import { formatIp, parseIp } from '../../shared/ip/ip.ts';
import { IFA_F, SCOPE } from '../../shared/netlink/codec/address.ts';
import { type Route, RTPROT } from '../../shared/netlink/codec/route.ts';
import { FakeNetwork } from './kernel/fake-network.ts';
import type { UnderlayOptions } from './options.ts';
import { chooseUnderlay, type Underlay } from './underlay.ts';

const cidr = (text: string): NonNullable<ReturnType<typeof parseCidr>> => parseCidr(text)!;
const ip = (text: string): NonNullable<ReturnType<typeof parseIp>> => parseIp(text)!;

const defaultRoute = (oif: number, part: Partial<Route> = {}): Route => ({
  destination: cidr('0.0.0.0/0'),
  gateway: ip('192.0.2.254'),
  oif,
  table: 254,
  protocol: RTPROT.STATIC,
  scope: SCOPE.UNIVERSE,
  type: 1,
  flags: 0,
  tos: 0,
  ...part,
});

/** eth0 and wlan0, both with default routes, wlan0's the worse one; br0 without one. */
function machine(): FakeNetwork {
  const network = new FakeNetwork();
  const wlan0 = network.addLink('wlan0', [cidr('198.51.100.7/24')]);
  const eth0 = network.addLink('eth0', [cidr('192.0.2.1/24'), cidr('2001:db8::1/64')], { mtu: 9000 });
  network.addLink('br0', [cidr('203.0.113.1/24')]);
  network.routes.push(
    defaultRoute(wlan0.index, { priority: 600 }),
    defaultRoute(eth0.index, { priority: 100 }),
  );
  return network;
}

const none: UnderlayOptions = { interfaces: [], patterns: [] };
const choose = (
  part: Partial<UnderlayOptions>,
  network = machine(),
  family: 4 | 6 = 4,
  routeTo?: Route,
  current?: Underlay,
): string => {
  const choice = chooseUnderlay(family, { ...none, ...part }, network, routeTo, current);
  if ('problem' in choice) return choice.problem;
  const { name, address, publicIp, mtu } = choice.underlay;
  return `${name} ${formatIp(address)} ${formatIp(publicIp)} ${mtu}`;
};

describe('the choice', () => {
  test('is the best default route', () => {
    expect(choose({})).toBe('eth0 192.0.2.1 192.0.2.1 9000');
  });

  test.each([
    [{ interfaces: ['br0'] }, 'br0 203.0.113.1 203.0.113.1 1500'],
    [{ interfaces: ['gone', 'wlan0'] }, 'wlan0 198.51.100.7 198.51.100.7 1500'],
    [{ interfaces: ['203.0.113.1'] }, 'br0 203.0.113.1 203.0.113.1 1500'],
    [{ interfaces: ['2001:db8::1'] }, 'eth0 192.0.2.1 192.0.2.1 9000'],
    [{ patterns: [/^wl/] }, 'wlan0 198.51.100.7 198.51.100.7 1500'],
    [{ patterns: [/^203\.0\.113\./] }, 'br0 203.0.113.1 203.0.113.1 1500'],
    [{ patterns: [/nothing/, /^br/] }, 'br0 203.0.113.1 203.0.113.1 1500'],
    [{ publicIp: ip('8.8.8.8') }, 'eth0 192.0.2.1 8.8.8.8 9000'],
    [{ publicIp: ip('203.0.113.1') }, 'br0 203.0.113.1 203.0.113.1 1500'],
    [{ publicIpV6: ip('2001:db8::1') }, 'eth0 192.0.2.1 192.0.2.1 9000'],
    [{ publicIp: ip('203.0.113.1'), interfaces: ['wlan0'] }, 'wlan0 198.51.100.7 203.0.113.1 1500'],
  ])('options %# give their interface', (options, expected) => {
    expect(choose(options)).toBe(expected);
  });

  test('of --iface-can-reach is the route there, with its source', () => {
    const network = machine();
    const br0 = network.link('br0').index;
    network.addAddress(br0, cidr('203.0.113.9/24'));
    const to = { ...defaultRoute(br0), preferredSource: ip('203.0.113.9') };
    expect(choose({ canReach: ip('203.0.113.50') }, network, 4, to)).toBe('br0 203.0.113.9 203.0.113.9 1500');
    expect(choose({ canReach: ip('203.0.113.50') }, network, 4)).toContain('--iface-can-reach=203.0.113.50');
  });

  test('of IPv6 leaves out what will not last or not travel', () => {
    const network = machine();
    const { index } = network.link('eth0');
    network.addresses = [];
    network.addAddress(index, cidr('fe80::1/64'), { scope: SCOPE.LINK });
    network.addAddress(index, cidr('2001:db8::dead/64'), { flags: IFA_F.DEPRECATED });
    network.addAddress(index, cidr('2001:db8::beef/64'), { flags: IFA_F.TENTATIVE });
    network.addAddress(index, cidr('2001:db8::7e4/64'), { flags: IFA_F.SECONDARY });
    network.addAddress(index, cidr('2001:db8::5/64'));
    expect(choose({ interfaces: ['eth0'] }, network, 6)).toBe('eth0 2001:db8::5 2001:db8::5 9000');
  });

  test('stays while its address is there, and follows the MTU', () => {
    const network = machine();
    const { index } = network.link('wlan0');
    const address = ip('198.51.100.7');
    const current: Underlay = { family: 4, index, name: 'wlan0', mtu: 1500, address, publicIp: address };
    network.changeLink('wlan0', { mtu: 1400 });
    expect(choose({}, network, 4, undefined, current)).toBe('wlan0 198.51.100.7 198.51.100.7 1400');
    // Where the public address has come to an interface that was late, it is used.
    const publicIp = ip('203.0.113.1');
    expect(choose({ publicIp }, network, 4, undefined, current)).toBe('br0 203.0.113.1 203.0.113.1 1500');
    network.addresses = network.addresses.filter((entry) => entry.index !== index);
    expect(choose({}, network, 4, undefined, current)).toBe('eth0 192.0.2.1 192.0.2.1 9000');
  });
});

describe('without a choice the problem says what to do', () => {
  test.each([
    [{ interfaces: ['gone'] }, 'no interface with an IPv4 address matches --iface=gone'],
    [{ interfaces: ['gone'], patterns: [/x/] }, '--iface=gone or --iface-regex=x'],
  ])('options %#', (options, expected) => {
    expect(choose(options)).toContain(expected);
  });

  test('no default route, or one without an address', () => {
    const network = machine();
    expect(choose({}, network, 6)).toBe('there is no IPv6 default route: name the interface with --iface');
    network.addresses = [];
    expect(choose({}, network)).toBe('its interface has no IPv4 address: name the interface with --iface');
  });
});
