import { describe, expect, test } from 'vitest';
import type { NetlinkRequest } from '../request.ts';
import { delRoute, dumpRoutes, getRoute, newRoute, replaceRoute } from '../requests/route.ts';
import { cidr, ip, message } from '../testing/golden.ts';
import { SCOPE } from './address.ts';
import { NLM_F } from './message.ts';
import { decodeRoute, encodeRoute, type Route, RTM_F, RTN, RTNH_F, RTPROT } from './route.ts';

/** Unicast, in table main, by `ip`. */
const USUAL = {
  tos: 0,
  table: 254,
  protocol: RTPROT.BOOT,
  scope: SCOPE.UNIVERSE,
  type: RTN.UNICAST,
  flags: 0,
};

/** What `ip` sent (iproute2 6.1), captured with `strace -e trace=sendmsg -e write=all`. */
const CAPTURED: readonly [command: string, bytes: string, request: NetlinkRequest, decoded: Route][] = [
  [
    'ip route add 10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink',
    `34000000180005069305016b00000000 02180000fe03000104000000 080001000af40100 080005000af40100 0800040006000000`,
    newRoute({
      destination: cidr('10.244.1.0/24'),
      gateway: ip('10.244.1.0'),
      oif: 6,
      flags: RTNH_F.ONLINK,
    }),
    {
      ...USUAL,
      destination: cidr('10.244.1.0/24'),
      gateway: ip('10.244.1.0'),
      oif: 6,
      flags: RTNH_F.ONLINK,
    },
  ],
  [
    'ip route replace 10.9.0.0/16 dev br9 scope link src 10.1.0.1 metric 50 table 1000 proto 17 mtu 1400 advmss 1360',
    `58000000180005059305016b00000000 021000000011fd0100000000 080001000a090000 080007000a010001 0800060032000000
     08000f00e8030000 14000800 0800020078050000 0800080050050000 0800040004000000`,
    replaceRoute({
      destination: cidr('10.9.0.0/16'),
      oif: 4,
      preferredSource: ip('10.1.0.1'),
      priority: 50,
      table: 1000,
      protocol: 17,
      metrics: { mtu: 1400, advmss: 1360 },
    }),
    {
      ...USUAL,
      destination: cidr('10.9.0.0/16'),
      oif: 4,
      preferredSource: ip('10.1.0.1'),
      priority: 50,
      table: 1000,
      protocol: 17,
      scope: SCOPE.LINK,
      metrics: { mtu: 1400, advmss: 1360 },
    },
  ],
  [
    'ip route add default via 10.1.0.254',
    '24000000180005069305016b00000000 02000000fe03000100000000 080005000a0100fe',
    newRoute({ destination: cidr('0.0.0.0/0'), gateway: ip('10.1.0.254') }),
    { ...USUAL, destination: cidr('0.0.0.0/0'), gateway: ip('10.1.0.254') },
  ],
  [
    'ip -6 route add 2001:db8:9::/64 via 2001:db8::9 dev br9 metric 512 pref high',
    `5c000000180005069b09016b00000000 0a400000fe03000100000000 1400010020010db8000900000000000000000000
     1400050020010db8000000000000000000000009 0800060000020000 0500140001000000 0800040002000000`,
    newRoute({
      destination: cidr('2001:db8:9::/64'),
      gateway: ip('2001:db8::9'),
      oif: 2,
      priority: 512,
      preference: 1,
    }),
    {
      ...USUAL,
      destination: cidr('2001:db8:9::/64'),
      gateway: ip('2001:db8::9'),
      oif: 2,
      priority: 512,
      preference: 1,
    },
  ],
  [
    'ip route add 10.8.0.0/16 via inet6 fe80::1 dev br9',
    `44000000180005069305016b00000000 02100000fe03000100000000 080001000a080000
     160012000a00fe800000000000000000000000000001 0000 0800040004000000`,
    newRoute({ destination: cidr('10.8.0.0/16'), gateway: ip('fe80::1'), oif: 4 }),
    { ...USUAL, destination: cidr('10.8.0.0/16'), gateway: ip('fe80::1'), oif: 4 },
  ],
  [
    'ip route add blackhole 10.7.0.0/16',
    '24000000180005069305016b00000000 02100000fe03000600000000 080001000a070000',
    newRoute({ destination: cidr('10.7.0.0/16'), type: RTN.BLACKHOLE }),
    { ...USUAL, destination: cidr('10.7.0.0/16'), type: RTN.BLACKHOLE },
  ],
  [
    'ip route add 10.6.0.0/16 nexthop via 10.1.0.2 dev br9 weight 2 nexthop via 10.1.0.3 dev br9',
    `48000000180005069b09016b00000000 02100000fe03000100000000 080001000a060000 24000900
     1000000102000000 080005000a010002 1000000002000000 080005000a010003`,
    newRoute({
      destination: cidr('10.6.0.0/16'),
      nextHops: [
        { oif: 2, weight: 2, flags: 0, gateway: ip('10.1.0.2') },
        { oif: 2, weight: 1, flags: 0, gateway: ip('10.1.0.3') },
      ],
    }),
    {
      ...USUAL,
      destination: cidr('10.6.0.0/16'),
      nextHops: [
        { oif: 2, weight: 2, flags: 0, gateway: ip('10.1.0.2') },
        { oif: 2, weight: 1, flags: 0, gateway: ip('10.1.0.3') },
      ],
    },
  ],
  [
    'ip route del 10.7.0.0/16',
    '24000000190005009305016b00000000 02100000fe00ff0000000000 080001000a070000',
    delRoute({ destination: cidr('10.7.0.0/16') }),
    { ...USUAL, destination: cidr('10.7.0.0/16'), protocol: 0, scope: SCOPE.NOWHERE, type: 0 },
  ],
];

describe.each(CAPTURED)('%s', (_command, bytes, request, decoded) => {
  const captured = message(bytes);

  test('is what the request holds', () => {
    expect(request.payload.toHex()).toBe(captured.payload.toHex());
    expect(request.type).toBe(captured.type);
    expect(request.flags | NLM_F.REQUEST | NLM_F.ACK).toBe(captured.flags | NLM_F.ACK);
  });

  test('is decoded and encoded again', () => {
    const object = decodeRoute(captured.payload);
    expect(object).toEqual(decoded);
    expect(encodeRoute(object).toHex()).toBe(captured.payload.toHex());
  });
});

test('ip route get 10.1.0.77', () => {
  const captured = message('240000001a0001009305016b00000000 022000000000000000100000 080001000a01004d');
  const request = getRoute(ip('10.1.0.77'));
  expect(request.payload.toHex()).toBe(captured.payload.toHex());
  expect(request.type).toBe(captured.type);
  expect(request.flags | NLM_F.REQUEST).toBe(captured.flags);
  expect(decodeRoute(captured.payload)).toMatchObject({ flags: RTM_F.LOOKUP_TABLE });
});

test('a route to an IPv6 address is asked for without the flag that the kernel refuses there', () => {
  const [destination, source] = [ip('2001:db8::9'), ip('2001:db8::1')];
  // struct rtmsg: family 10, both prefixes, flags 0. RTA_DST, RTA_SRC and RTA_OIF follow.
  const expected = `0a808000000000000000000014000100${destination.value.toString(16).padStart(32, '0')}
    14000200${source.value.toString(16).padStart(32, '0')} 0800040007000000`.replace(/\s/g, '');
  const request = getRoute(destination, { source, oif: 7 });
  expect(request.payload.toHex()).toBe(expected);
  expect(decodeRoute(request.payload).flags & RTM_F.LOOKUP_TABLE).toBe(0);
  expect(decodeRoute(getRoute(ip('10.0.0.9')).payload).flags).toBe(RTM_F.LOOKUP_TABLE);
});

test('ip route show table 1000', () => {
  const captured = message('240000001a0001039305016b00000000 020000000000000000000000 08000f00e8030000');
  const request = dumpRoutes({ family: 4, table: 1000 });
  expect(request.payload.toHex()).toBe(captured.payload.toHex());
  expect(request.flags | NLM_F.REQUEST).toBe(captured.flags);
});

test('what the kernel answers to: ip -6 route show 2001:db8:9::/64', () => {
  const answer = message(`74000000180022009b09016b6c0b0000 0a400000fe02000100000000 08000f00fe000000
    1400010020010db8000000000000000000000000 0800060000010000 0800040002000000
    24000c000000000000000000000000000000000000000000000000000000000000000000 0500140000000000`);
  expect(decodeRoute(answer.payload)).toEqual({
    ...USUAL,
    protocol: RTPROT.KERNEL,
    destination: cidr('2001:db8::/64'),
    priority: 256,
    oif: 2,
    preference: 0,
    unknown: [{ type: 12, nested: false, payload: new Uint8Array(32) }],
  });
});

test('the scope follows from what the route does', () => {
  const scopeOf = (type: number): number =>
    decodeRoute(encodeRoute({ destination: cidr('10.0.0.1/32'), oif: 1, type })).scope;
  expect(scopeOf(RTN.LOCAL)).toBe(SCOPE.HOST);
  expect(scopeOf(RTN.BROADCAST)).toBe(SCOPE.LINK);
  expect(scopeOf(RTN.UNICAST)).toBe(SCOPE.LINK);
  expect(scopeOf(RTN.UNREACHABLE)).toBe(SCOPE.UNIVERSE);
});
