import fc, { type Arbitrary } from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NetlinkRequest } from '../request.ts';
import { delWireguardPeer, setWireguard } from '../requests/wireguard.ts';
import { anyFamily, anyIp, bool, cidrOf, name, some, u16, u32, unknown } from '../testing/arbitrary.ts';
import { cidr, hex, ip, message } from '../testing/golden.ts';
import { joinParts } from '../wireguard.ts';
import { DecodeError } from './decode-error.ts';
import { decodeFamily, encodeFamilyQuery } from './generic.ts';
import { decodeWireguard, encodeWireguard, WG_CMD, type WireguardDevice } from './wireguard.ts';
import { WGPEER_F, type WireguardPeer } from './wireguard-peer.ts';
import { keepSteady, wipePrivateKey } from './wireguard-steady.ts';

/** The keys that the commands below had, bytes that count up. */
const privateKey = hex(`000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e40`);
const presharedKey = hex(`010102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f`);
const publicKey = Uint8Array.fromBase64('aWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=');
const A30 = '6161616161616161616161616161616161616161616161616161616161616161'.slice(2);

/** The number that the kernel had given the family. */
const FAMILY = 0x20;
const set = (peer: WireguardPeer): NetlinkRequest => ({
  type: FAMILY,
  flags: 0,
  payload: encodeWireguard(WG_CMD.SET_DEVICE, { name: 'flannel-wg', peers: [peer] }),
  what: '',
});

/** What `wg` (wireguard-tools 1.0.20210914) sent, captured with `strace -e trace=sendto --raw=sendto -e write=all`. */
const CAPTURED: readonly [command: string, bytes: string, request: NetlinkRequest][] = [
  [
    'wg set flannel-wg private-key key listen-port 51820',
    `5000000020000500b3450a6b00000000 01010000 0f000200666c616e6e656c2d77670000
     24000300 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e40 060006006cca0000`,
    setWireguard(FAMILY, { name: 'flannel-wg', privateKey, listenPort: 51820 }),
  ],
  [
    'wg set flannel-wg peer … preshared-key psk endpoint 192.0.2.2:51820 persistent-keepalive 25 allowed-ips 10.244.2.0/24,fd00:244:0:2::/64',
    `e000000020000500b4450a6b00000000 01010000 0f000200666c616e6e656c2d77670000 bc000880 b8000080
     24000100 69${A30} 24000200 010102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
     14000400 0200ca6cc00002020000000000000000 0600050019000000 0800030002000000
     48000980 1c000080 0600010002000000 080002000af40200 0500030018000000
     28000080 060001000a000000 14000200fd000244000000020000000000000000 0500030040000000`,
    set({
      publicKey,
      presharedKey,
      endpoint: { ip: ip('192.0.2.2'), port: 51820 },
      keepalive: 25,
      flags: WGPEER_F.REPLACE_ALLOWEDIPS,
      allowedIps: [cidr('10.244.2.0/24'), cidr('fd00:244:0:2::/64')],
    }),
  ],
  [
    'wg set flannel-wg peer … endpoint [2001:db8::2]:51821',
    `7000000020000500b4450a6b00000000 01010000 0f000200666c616e6e656c2d77670000 4c000880 48000080
     24000100 69${A30} 20000400 0a00ca6d0000000020010db800000000000000000000000200000000`,
    set({ publicKey, endpoint: { ip: ip('2001:db8::2'), port: 51821 } }),
  ],
  [
    'wg set flannel-wg peer … remove',
    `5800000020000500b4450a6b00000000 01010000 0f000200666c616e6e656c2d77670000 34000880 30000080
     24000100 69${A30} 0800030001000000`,
    delWireguardPeer(FAMILY, 'flannel-wg', publicKey),
  ],
];

describe('what wg sends', () => {
  test.each(CAPTURED)('%s', (_command, bytes, request) => {
    const captured = message(bytes);
    expect(request.type).toBe(captured.type);
    expect(request.payload.toHex()).toBe(captured.payload.toHex());
  });

  test('the question for the family, and its answer', () => {
    const asked = message(`2400000010000500b3450a6b00000000 03010000 0e000200776972656775617264000000`);
    expect(encodeFamilyQuery('wireguard').toHex()).toBe(asked.payload.toHex());
    const told = message(`7000000010000000b5450a6bab000000 01020000 0e000200776972656775617264000000
      0600010020000000 0800030001000000 0800040000000000 0800050008000000
      2c000600 14000100 0800010000000000 080002001c000000 14000200 0800010001000000 080002001a000000`);
    expect(decodeFamily(told.payload)).toEqual({ id: FAMILY, name: 'wireguard', version: 1 });
  });
});

test('what the kernel (6.1) tells of a device, its private key left out', () => {
  const told =
    message(`6c01000020000200b5450a6bab000000 00010000 060006006cca0000 0800070000000000 0800010003000000
    0f000200666c616e6e656c2d77670000 24000300 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e40
    24000400 af547a440cd692d35fc50e5e51aaf38f27b978de3ce87321a8bb9cc65963bf18 e8000880 e4000080
    24000100 69${A30} 24000200 010102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
    14000600 00000000000000000000000000000000 0600050019000000 0c000800 0000000000000000 0c000700 0000000000000000
    08000a0001000000 14000400 0200ca6cc00002020000000000000000
    48000980 1c000080 0500030018000000 0600010002000000 080002000af40200
    28000080 0500030040000000 060001000a000000 14000200fd000244000000020000000000000000`);
  expect(decodeWireguard(told.payload)).toEqual({
    listenPort: 51820,
    firewallMark: 0,
    index: 3,
    name: 'flannel-wg',
    publicKey: Uint8Array.fromBase64('r1R6RAzWktNfxQ5eUarzjye5eN486HMhqLucxlljvxg='),
    peers: [
      {
        publicKey,
        presharedKey,
        lastHandshake: 0,
        keepalive: 25,
        txBytes: 0n,
        rxBytes: 0n,
        protocolVersion: 1,
        endpoint: { ip: ip('192.0.2.2'), port: 51820 },
        allowedIps: [cidr('10.244.2.0/24'), cidr('fd00:244:0:2::/64')],
      },
    ],
  });
});

const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const peers: Arbitrary<WireguardPeer> = some<WireguardPeer>(
  {
    publicKey: key,
    presharedKey: key,
    flags: u32,
    endpoint: fc.record({ ip: anyIp, port: u16 }),
    keepalive: u16,
    lastHandshake: fc.nat({ max: 8e12 }),
    rxBytes: u64,
    txBytes: u64,
    allowedIps: fc.array(
      anyFamily.chain((family) => cidrOf(family)),
      { maxLength: 3 },
    ),
    protocolVersion: u32,
    unknown,
  },
  ['publicKey'],
);
const devices: Arbitrary<WireguardDevice> = some<WireguardDevice>(
  {
    index: u32,
    name,
    privateKey: key,
    publicKey: key,
    flags: u32,
    listenPort: u16,
    firewallMark: u32,
    peers: fc.array(peers, { maxLength: 3 }),
    unknown,
  },
  [],
);

describe('devices', () => {
  test('come back as they were sent but for the private key, with the attributes that are not modelled', () => {
    fc.assert(
      fc.property(devices, (device) => {
        const bytes = encodeWireguard(WG_CMD.SET_DEVICE, device);
        const { privateKey: _, ...rest } = device;
        expect(bytes.length % 4).toBe(0);
        expect(decodeWireguard(bytes)).toEqual(rest);
      }),
    );
  });

  test('any bytes are read or refused', () => {
    const damaged = fc
      .record({ device: devices, at: fc.nat(), to: fc.nat(255), cut: bool })
      .map(({ device, at, to, cut }) => {
        const bytes = encodeWireguard(WG_CMD.SET_DEVICE, device);
        bytes[at % bytes.length] = to;
        return cut ? bytes.slice(0, at % bytes.length) : bytes;
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), damaged), (bytes) => {
        try {
          decodeWireguard(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
    );
  });

  test('told in several messages are one, a peer that was cut in two as well', () => {
    const other = new Uint8Array(32).fill(3);
    const first = { index: 3, listenPort: 1, peers: [{ publicKey, allowedIps: [cidr('10.0.0.0/24')] }] };
    const second = {
      peers: [
        { publicKey, allowedIps: [cidr('10.0.1.0/24')] },
        { publicKey: other, allowedIps: [] },
      ],
    };
    expect(joinParts([first, second, { peers: [] }])).toEqual({
      index: 3,
      listenPort: 1,
      peers: [
        { publicKey, allowedIps: [cidr('10.0.0.0/24'), cidr('10.0.1.0/24')] },
        { publicKey: other, allowedIps: [] },
      ],
    });
    expect(joinParts([])).toBeUndefined();
  });
});

describe('what does not change by itself', () => {
  const peer: WireguardPeer = {
    publicKey,
    presharedKey,
    endpoint: { ip: ip('192.0.2.2'), port: 51820 },
    keepalive: 25,
    lastHandshake: 1_700_000_000_123,
    rxBytes: 7n,
    txBytes: 8n,
    allowedIps: [cidr('10.244.2.0/24'), cidr('fd00:244:0:2::/64')],
    protocolVersion: 1,
  };
  const steady = (change: Partial<WireguardPeer> = {}, device: Partial<WireguardDevice> = {}): string => {
    const bytes = encodeWireguard(WG_CMD.GET_DEVICE, {
      name: 'flannel-wg',
      privateKey,
      listenPort: 51820,
      peers: [
        { ...peer, ...change },
        { ...peer, publicKey: presharedKey },
      ],
      ...device,
    });
    wipePrivateKey(bytes);
    keepSteady(bytes);
    return bytes.toHex();
  };

  test('handshakes, counters and the private key are left out', () => {
    const quiet = { lastHandshake: 0, rxBytes: 0n, txBytes: 0n };
    expect(steady({ lastHandshake: 1, rxBytes: 2n ** 63n, txBytes: 0n })).toBe(steady());
    expect(steady({}, { privateKey: new Uint8Array(32) })).toBe(steady());
    expect(decodeWireguard(hex(steady())).peers?.[0]).toEqual({ ...peer, ...quiet });
  });

  test.each<[string, Partial<WireguardPeer>, Partial<WireguardDevice>]>([
    ['an endpoint', { endpoint: { ip: ip('192.0.2.3'), port: 51820 } }, {}],
    ['a port', { endpoint: { ip: ip('192.0.2.2'), port: 51821 } }, {}],
    ['a network', { allowedIps: [cidr('10.244.2.0/24')] }, {}],
    ['a keepalive', { keepalive: 0 }, {}],
    ['a pre-shared key', { presharedKey: privateKey }, {}],
    ['a peer', {}, { peers: [peer] }],
    ['the port of the device', {}, { listenPort: 1 }],
  ])('%s shows', (_what, change, device) => {
    expect(steady(change, device)).not.toBe(steady());
  });

  test('bytes of any kind are survived', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        wipePrivateKey(bytes);
        keepSteady(bytes);
      }),
    );
  });
});
