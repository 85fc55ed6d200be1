import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NetlinkRequest } from '../../request.ts';
import { newLink } from '../../requests/link.ts';
import { ipOf } from '../../testing/arbitrary.ts';
import { ip, message } from '../../testing/golden.ts';
import { decodeLink, encodeLink } from '../link.ts';
import type { OtherKind } from '../link-kind.ts';
import { ByteWriter } from '../wire.ts';
import { ipip, readIpip } from './ipip.ts';
import { IPVLAN_MODE, ipvlan, readIpvlan } from './ipvlan.ts';
import { MACVLAN_MODE, macvlan, readMacvlan } from './macvlan.ts';
import { readVlan, vlan } from './vlan.ts';
import { readVrf, vrf } from './vrf.ts';

/** One kind's options, from and to bytes. */
interface Codec<T> {
  readonly name: string;
  readonly write: (options: T) => OtherKind;
  readonly read: (data: Uint8Array) => T;
  readonly any: fc.Arbitrary<T>;
}

const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffffffff });

const codecs: readonly Codec<object>[] = [
  {
    name: 'macvlan',
    write: macvlan,
    read: readMacvlan,
    any: fc.record({ mode: u32, broadcastQueueLength: u32 }, { requiredKeys: [] }),
  },
  {
    name: 'ipvlan',
    write: ipvlan,
    read: readIpvlan,
    any: fc.record({ mode: u16, flags: u16 }, { requiredKeys: [] }),
  },
  { name: 'vlan', write: vlan, read: readVlan, any: fc.record({ id: u16 }, { requiredKeys: [] }) },
  {
    name: 'ipip',
    write: ipip,
    read: readIpip,
    any: fc.record(
      {
        protocol: fc.nat(255),
        local: ipOf(4),
        remote: ipOf(4),
        pmtuDiscovery: fc.boolean(),
        tos: fc.nat(255),
        ttl: fc.nat(255),
        link: u32,
        firewallMark: u32,
        encapsulation: u16,
        encapsulationFlags: u16,
        encapsulationSource: u16,
        encapsulationDestination: u16,
        collectMetadata: fc.constant(true as const),
      },
      { requiredKeys: [] },
    ),
  },
  { name: 'vrf', write: vrf, read: readVrf, any: fc.record({ table: u32 }, { requiredKeys: [] }) },
];

const on = (kind: OtherKind): NetlinkRequest => newLink({ name: 'probe', parent: 3, kind });
const alone = (kind: OtherKind): NetlinkRequest => newLink({ name: 'probe', kind });

/** ifinfomsg, then IFLA_LINK and IFLA_IFNAME. */
const lower = '00000000000000000000000000000000 0800050003000000 0a00030070726f6265000000';
const none = '00000000000000000000000000000000 0a00030070726f6265000000';

/** What `ip` says of an IPIP tunnel without being asked. */
const silent = {
  protocol: 0,
  link: 0,
  firewallMark: 0,
  encapsulation: 0,
  encapsulationFlags: 0,
  encapsulationSource: 0,
  encapsulationDestination: 0,
} as const;

/** What `ip` (iproute2 6.1) sent, captured with `strace -e trace=sendmsg --raw=sendmsg -e write=all`. */
const CAPTURED: readonly [command: string, bytes: string, request: NetlinkRequest][] = [
  [
    'ip link add probe link lower type macvlan mode bridge bcqueuelen 500',
    `5800000010000506ca150a6b00000000 ${lower} 24001200 0b0001006d6163766c616e00 14000200 08000700f4010000 0800010004000000`,
    on(macvlan({ mode: MACVLAN_MODE.bridge, broadcastQueueLength: 500 })),
  ],
  [
    'ip link add probe link lower type macvlan mode private',
    `5000000010000506ca150a6b00000000 ${lower} 1c001200 0b0001006d6163766c616e00 0c000200 0800010001000000`,
    on(macvlan({ mode: MACVLAN_MODE.private })),
  ],
  [
    'ip link add probe link lower type macvlan mode vepa',
    `5000000010000506ca150a6b00000000 ${lower} 1c001200 0b0001006d6163766c616e00 0c000200 0800010002000000`,
    on(macvlan({ mode: MACVLAN_MODE.vepa })),
  ],
  [
    'ip link add probe link lower type macvlan mode passthru',
    `5000000010000506ca150a6b00000000 ${lower} 1c001200 0b0001006d6163766c616e00 0c000200 0800010008000000`,
    on(macvlan({ mode: MACVLAN_MODE.passthru })),
  ],
  [
    'ip link add probe link lower type ipvlan mode l2',
    `5800000010000506ca150a6b00000000 ${lower} 24001200 0a0001006970766c616e0000 14000200 0600010000000000 0600020000000000`,
    on(ipvlan({ mode: IPVLAN_MODE.l2, flags: 0 })),
  ],
  [
    'ip link add probe link lower type ipvlan mode l3',
    `5800000010000506ca150a6b00000000 ${lower} 24001200 0a0001006970766c616e0000 14000200 0600010001000000 0600020000000000`,
    on(ipvlan({ mode: IPVLAN_MODE.l3, flags: 0 })),
  ],
  [
    'ip link add probe link lower type ipvlan mode l3s',
    `5800000010000506cb150a6b00000000 ${lower} 24001200 0a0001006970766c616e0000 14000200 0600010002000000 0600020000000000`,
    on(ipvlan({ mode: IPVLAN_MODE.l3s, flags: 0 })),
  ],
  [
    'ip link add probe link lower type vlan id 7',
    `4c00000010000506cb150a6b00000000 ${lower} 18001200 08000100766c616e 0c000200 0600010007000000`,
    on(vlan({ id: 7 })),
  ],
  [
    'ip link add probe link lower type vlan id 4094',
    `4c00000010000506cb150a6b00000000 ${lower} 18001200 08000100766c616e 0c000200 06000100fe0f0000`,
    on(vlan({ id: 4094 })),
  ],
  [
    'ip link add probe type vrf table 10',
    `4400000010000506cb150a6b00000000 ${none} 18001200 0700010076726600 0c000200 080001000a000000`,
    alone(vrf({ table: 10 })),
  ],
  [
    'ip link add flannel.ipip type ipip local 192.0.2.1 nopmtudisc',
    `9c00000010000506b7450a6b00000000 00000000000000000000000000000000 11000300666c616e6e656c2e6970697000000000
     68001200 0800010069706970 5c000200 0500090000000000 08000200c0000201 05000a0000000000 0500050000000000 0500040000000000
     0800010000000000 0800140000000000 06000f0000000000 0600100000000000 0600110000000000 0600120000000000`,
    newLink({
      name: 'flannel.ipip',
      kind: ipip({ ...silent, local: ip('192.0.2.1'), pmtuDiscovery: false, tos: 0, ttl: 0 }),
    }),
  ],
  [
    'ip link add probe0 type ipip local 192.0.2.1 remote 192.0.2.9 ttl 5 tos 16',
    `9c00000010000506b8450a6b00000000 00000000000000000000000000000000 0b00030070726f6265300000
     70001200 0800010069706970 64000200 0500090000000000 08000200c0000201 08000300c0000209 05000a0001000000 0500050016000000
     0500040005000000 0800010000000000 0800140000000000 06000f0000000000 0600100000000000 0600110000000000 0600120000000000`,
    newLink({
      name: 'probe0',
      kind: ipip({
        ...silent,
        local: ip('192.0.2.1'),
        remote: ip('192.0.2.9'),
        pmtuDiscovery: true,
        // `ip` reads it as hexadecimal.
        tos: 0x16,
        ttl: 5,
      }),
    }),
  ],
  [
    'ip link add probe type dummy',
    `3c00000010000506cb150a6b00000000 ${none} 10001200 0900010064756d6d79000000`,
    alone({ kind: 'other', name: 'dummy' }),
  ],
];

describe('what ip sends', () => {
  test.each(CAPTURED)('%s', (_command, bytes, request) => {
    const captured = message(bytes);
    expect(request.type).toBe(captured.type);
    expect(request.payload.toHex()).toBe(captured.payload.toHex());
  });
});

describe.each(codecs)('$name', ({ name, write, read, any }) => {
  test('options are read as they were written, within a link as well', () => {
    fc.assert(
      fc.property(any, (options) => {
        const kind = write(options);
        expect(read(kind.data ?? new Uint8Array())).toEqual(options);
        expect(decodeLink(encodeLink({ name: 'x', kind })).kind).toEqual(kind);
        expect(kind.name).toBe(name);
      }),
    );
  });

  test('what the kernel tells besides is passed over', () => {
    fc.assert(
      fc.property(any, fc.uint8Array({ maxLength: 40 }), (options, payload) => {
        const writer = new ByteWriter(64);
        writer.attr(99, payload);
        const data = Uint8Array.of(...writer.toBytes(), ...(write(options).data ?? []));
        expect(read(data)).toEqual(options);
      }),
    );
  });

  test('any bytes are read or refused, never more', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          read(bytes);
        } catch (error) {
          expect((error as Error).name).toBe('DecodeError');
        }
      }),
    );
  });
});
