import fc, { type Arbitrary } from 'fast-check';
import type { BridgePort } from '../codec/bridge-port.ts';
import { AF } from '../codec/constants.ts';
import type { Link, LinkSpec } from '../codec/link.ts';
import type { LinkKind } from '../codec/link-kind.ts';
import { anyIp, bool, flag, mac, name, some, u8, u16, u32, unknown } from './arbitrary.ts';

const port = some<BridgePort>(
  {
    state: u8,
    priority: u16,
    cost: u32,
    hairpin: bool,
    bpduGuard: bool,
    rootBlock: bool,
    fastLeave: bool,
    learning: bool,
    unicastFlood: bool,
    multicastFlood: bool,
    broadcastFlood: bool,
    multicastToUnicast: bool,
    proxyArp: bool,
    proxyArpWifi: bool,
    vlanTunnel: bool,
    groupForwardMask: u16,
    neighbourSuppress: bool,
    isolated: bool,
    unknown,
  },
  [],
);

function kind(peer: Arbitrary<LinkSpec> | undefined): Arbitrary<LinkKind> {
  const constant = <K extends string>(value: K): Arbitrary<K> => fc.constant(value);
  const veth =
    peer === undefined
      ? fc.record({ kind: constant('veth'), unknown }, { requiredKeys: ['kind'] })
      : fc.record({ kind: constant('veth'), peer, unknown }, { requiredKeys: ['kind'] });
  return fc.oneof(
    veth,
    some<Extract<LinkKind, { kind: 'bridge' }>>(
      {
        kind: constant('bridge'),
        forwardDelay: u32,
        helloTime: u32,
        maxAge: u32,
        ageingTime: u32,
        stpState: u32,
        priority: u16,
        vlanFiltering: bool,
        vlanProtocol: u16,
        vlanDefaultPvid: u16,
        vlanStatsEnabled: bool,
        groupForwardMask: u16,
        multicastRouter: u8,
        multicastSnooping: bool,
        multicastQuerier: bool,
        multicastHashMax: u32,
        callIptables: bool,
        callIp6tables: bool,
        callArptables: bool,
        unknown,
      },
      ['kind'],
    ),
    some<Extract<LinkKind, { kind: 'vxlan' }>>(
      {
        kind: constant('vxlan'),
        id: u32,
        group: anyIp,
        local: anyIp,
        link: u32,
        port: u16,
        portRange: fc.record({ low: u16, high: u16 }),
        learning: bool,
        ttl: u8,
        tos: u8,
        ageing: u32,
        limit: u32,
        proxy: bool,
        rsc: bool,
        l2miss: bool,
        l3miss: bool,
        udpChecksum: bool,
        udpZeroChecksum6Tx: bool,
        udpZeroChecksum6Rx: bool,
        collectMetadata: bool,
        flowLabel: u32,
        gbp: flag,
        gpe: flag,
        ttlInherit: flag,
        df: u8,
        unknown,
      },
      ['kind'],
    ),
    fc.record(
      {
        kind: constant('other'),
        name: fc.constantFrom('dummy', 'ifb', 'wireguard', 'bridge_slave'),
        data: fc.uint8Array({ maxLength: 20 }),
      },
      { requiredKeys: ['kind', 'name'] },
    ),
  ) as Arbitrary<LinkKind>;
}

function link(family: number, peer: Arbitrary<LinkSpec> | undefined): Arbitrary<Link> {
  const model = {
    index: u32,
    name,
    flags: u32,
    changeMask: u32,
    family: fc.constant(family),
    hardwareType: u16,
    mac,
    broadcast: mac,
    mtu: u32,
    parent: u32,
    parentNetnsId: u32,
    master: u32,
    alias: fc.string({ minLength: 1, maxLength: 40 }).filter((text) => !text.includes('\0')),
    txQueueLength: u32,
    txQueues: u32,
    rxQueues: u32,
    group: u32,
    operState: u8,
    linkMode: u8,
    carrier: u8,
    promiscuity: u32,
    netnsFd: u32,
    netnsPid: u32,
    extMask: u32,
    kind: kind(peer),
    infoUnknown: unknown,
    unknown,
    port,
  };
  const required = ['index', 'name', 'flags', 'changeMask', 'family', 'hardwareType'];
  const only = { requiredKeys: required as never[] };
  const plain = fc.record(model, only) as unknown as Arbitrary<Link>;
  if (family !== AF.BRIDGE) return plain;
  const vlans = fc.array(fc.record({ id: u16, flags: u16 }), { maxLength: 3 });
  return fc.record({ link: plain, vlans, vlansUnknown: unknown }, { requiredKeys: ['link'] }).map((all) => {
    if (all.vlans === undefined) return all.link;
    const { vlans, vlansUnknown } = all;
    return vlansUnknown === undefined ? { ...all.link, vlans } : { ...all.link, vlans, vlansUnknown };
  });
}

export const links: Arbitrary<Link> = fc.oneof(
  link(AF.UNSPEC, link(AF.UNSPEC, undefined)),
  link(AF.BRIDGE, undefined),
);
