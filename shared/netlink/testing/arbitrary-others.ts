import fc, { type Arbitrary } from 'fast-check';
import type { Cidr } from '../../ip/cidr.ts';
import type { Address } from '../codec/address.ts';
import type { FdbEntry } from '../codec/fdb.ts';
import type { Neighbour } from '../codec/neighbour.ts';
import type { NextHop, Route, RouteMetrics } from '../codec/route.ts';
import type { Rule } from '../codec/rule.ts';
import { anyFamily, anyIp, bool, cidrOf, ipOf, mac, name, some, u8, u16, u32, unknown } from './arbitrary.ts';

export const addresses: Arbitrary<Address> = anyFamily.chain((family) =>
  some<Address>(
    {
      index: u32,
      address: cidrOf(family),
      peer: ipOf(family),
      broadcast: ipOf(family),
      label: name,
      scope: u8,
      flags: u32,
      cacheInfo: fc.record({ preferred: u32, valid: u32, created: u32, updated: u32 }),
      routePriority: u32,
      protocol: u8,
      unknown,
    },
    ['index', 'address', 'scope', 'flags'],
  ).filter((address) => address.peer?.value !== address.address.ip.value),
);

const nextHop: Arbitrary<NextHop> = some<NextHop>(
  { oif: u32, weight: fc.integer({ min: 1, max: 256 }), flags: u8, gateway: anyIp, unknown },
  ['oif', 'weight', 'flags'],
);

const metrics: Arbitrary<RouteMetrics> = some<RouteMetrics>(
  {
    mtu: u32,
    advmss: u32,
    window: u32,
    rtt: u32,
    rttVar: u32,
    ssthresh: u32,
    cwnd: u32,
    reordering: u32,
    hoplimit: u32,
    initcwnd: u32,
    initrwnd: u32,
    features: u32,
    rtoMin: u32,
    quickAck: u32,
    lock: u32,
    unknown,
  },
  [],
);

export const routes: Arbitrary<Route> = anyFamily.chain((family) => {
  const zero: Cidr = { ip: { family, value: 0n }, prefix: 0 };
  return some<Route>(
    {
      destination: fc.oneof(cidrOf(family, 1), fc.constant(zero)),
      source: cidrOf(family, 1),
      gateway: anyIp,
      oif: u32,
      iif: u32,
      preferredSource: ipOf(family),
      priority: u32,
      table: u32,
      protocol: u8,
      scope: u8,
      type: u8,
      flags: u32,
      tos: u8,
      mark: u32,
      metrics,
      nextHops: fc.array(nextHop, { maxLength: 3 }),
      nextHopId: u32,
      preference: u8,
      unknown,
    },
    ['destination', 'table', 'protocol', 'scope', 'type', 'flags', 'tos'],
  );
});

const range = (bound: Arbitrary<number>): Arbitrary<{ start: number; end: number }> =>
  fc.record({ start: bound, end: bound });

export const rules: Arbitrary<Rule> = anyFamily.chain((family) =>
  some<Rule>(
    {
      family: fc.constant(family),
      source: cidrOf(family),
      destination: cidrOf(family),
      iif: name,
      oif: name,
      priority: u32,
      mark: u32,
      mask: u32,
      table: u32,
      action: u8,
      flags: u32,
      tos: u8,
      goto: u32,
      suppressPrefixLength: fc.nat(128),
      suppressGroup: fc.nat(1000),
      l3mdev: bool,
      uids: range(u32),
      protocol: u8,
      ipProtocol: u8,
      sourcePorts: range(u16),
      destinationPorts: range(u16),
      unknown,
    },
    ['family', 'table', 'action', 'flags', 'tos'],
  ),
);

export const neighbours: Arbitrary<Neighbour> = some<Neighbour>(
  { index: u32, ip: anyIp, mac, state: u16, flags: u8, type: u8, probes: u32, protocol: u8, unknown },
  ['index', 'ip', 'state', 'flags', 'type'],
);

export const fdbEntries: Arbitrary<FdbEntry> = some<FdbEntry>(
  {
    index: u32,
    mac,
    destination: anyIp,
    port: u16,
    vni: u32,
    via: u32,
    sourceVni: u32,
    vlan: u16,
    master: u32,
    state: u16,
    flags: u8,
    nextHopId: u32,
    protocol: u8,
    unknown,
  },
  ['index', 'mac', 'state', 'flags'],
);
