import { describe, expect, test } from 'vitest';
import type { NetlinkRequest } from '../request.ts';
import { delAddress, dumpAddresses, newAddress } from '../requests/address.ts';
import { cidr, ip, message } from '../testing/golden.ts';
import { type Address, decodeAddress, encodeAddress, FOREVER, IFA_F, SCOPE } from './address.ts';
import { DecodeError } from './decode-error.ts';
import { NLM_F } from './message.ts';

/** What `ip` sent (iproute2 6.1), captured with `strace -e trace=sendmsg -e write=all`. */
const CAPTURED: readonly [command: string, bytes: string, request: NetlinkRequest, decoded: Address][] = [
  [
    'ip addr add 10.1.0.1/24 brd 10.1.0.255 dev br9',
    `30000000140005069305016b00000000 0218000004000000 080002000a010001 080004000a0100ff 080001000a010001`,
    newAddress({ index: 4, address: cidr('10.1.0.1/24'), broadcast: ip('10.1.0.255') }),
    { index: 4, address: cidr('10.1.0.1/24'), broadcast: ip('10.1.0.255'), scope: 0, flags: 0 },
  ],
  [
    'ip addr add 10.1.5.1 peer 10.1.5.2/32 dev br9 label br9:1',
    `34000000140005069305016b00000000 0220000004000000 080002000a010501 080001000a010502 0a0003006272393a31000000`,
    newAddress({ index: 4, address: cidr('10.1.5.1/32'), peer: ip('10.1.5.2'), label: 'br9:1' }),
    {
      index: 4,
      address: cidr('10.1.5.1/32'),
      peer: ip('10.1.5.2'),
      label: 'br9:1',
      scope: 0,
      flags: 0,
    },
  ],
  [
    'ip addr add 2001:db8::1/64 dev br9 nodad noprefixroute preferred_lft 100 valid_lft 200',
    `5c000000140005069305016b00000000 0a40000004000000 1400020020010db8000000000000000000000001
     0800080002020000 1400010020010db8000000000000000000000001 1400060064000000c80000000000000000000000`,
    newAddress({
      index: 4,
      address: cidr('2001:db8::1/64'),
      flags: IFA_F.NODAD | IFA_F.NOPREFIXROUTE,
      cacheInfo: { preferred: 100, valid: 200, created: 0, updated: 0 },
    }),
    {
      index: 4,
      address: cidr('2001:db8::1/64'),
      scope: 0,
      flags: IFA_F.NODAD | IFA_F.NOPREFIXROUTE,
      cacheInfo: { preferred: 100, valid: 200, created: 0, updated: 0 },
    },
  ],
  [
    'ip addr add 169.254.1.1/32 dev br9 scope link noprefixroute',
    `30000000140005069305016b00000000 022000fd04000000 08000200a9fe0101 0800080000020000 08000100a9fe0101`,
    newAddress({
      index: 4,
      address: cidr('169.254.1.1/32'),
      scope: SCOPE.LINK,
      flags: IFA_F.NOPREFIXROUTE,
    }),
    { index: 4, address: cidr('169.254.1.1/32'), scope: SCOPE.LINK, flags: IFA_F.NOPREFIXROUTE },
  ],
  [
    'ip addr del 169.254.1.1/32 dev br9',
    `28000000150005009305016b00000000 0220000004000000 08000200a9fe0101 08000100a9fe0101`,
    delAddress({ index: 4, address: cidr('169.254.1.1/32') }),
    { index: 4, address: cidr('169.254.1.1/32'), scope: 0, flags: 0 },
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
    const object = decodeAddress(captured.payload);
    expect(object).toEqual(decoded);
    expect(encodeAddress(object).toHex()).toBe(captured.payload.toHex());
  });
});

test('what the kernel answers to: ip -6 addr show dev br9', () => {
  const answer =
    message(`48000000140022009c09016b700b0000 0a40820002000000 1400010020010db8000000000000000000000001
    14000600ffffffffffffffff53da030053da0300 0800080082000000`);
  expect(decodeAddress(answer.payload)).toEqual({
    index: 2,
    address: cidr('2001:db8::1/64'),
    scope: SCOPE.UNIVERSE,
    flags: IFA_F.PERMANENT | IFA_F.NODAD,
    cacheInfo: { preferred: FOREVER, valid: FOREVER, created: 252_499, updated: 252_499 },
  });
});

test('ip -4 addr show dev br9', () => {
  const captured = message('18000000160001039c09016b00000000 0200000002000000');
  const request = dumpAddresses({ family: 4, index: 2 });
  expect(request.payload.toHex()).toBe(captured.payload.toHex());
  expect(request.flags | NLM_F.REQUEST).toBe(captured.flags);
});

test('loopback addresses have the scope host unless told otherwise', () => {
  const scopeOf = (text: string): number =>
    decodeAddress(encodeAddress({ index: 1, address: cidr(text) })).scope;
  expect(scopeOf('127.0.0.1/8')).toBe(SCOPE.HOST);
  expect(scopeOf('128.0.0.1/8')).toBe(SCOPE.UNIVERSE);
  expect(scopeOf('::1/128')).toBe(SCOPE.UNIVERSE);
});

test.each([
  ['no address', '0218000004000000'],
  ['a family that has no addresses', '0718000004000000 08000100a9fe0101'],
  ['a prefix longer than the address', '0221000004000000 08000100a9fe0101'],
  ['an address of the other family', '0a21000004000000 08000100a9fe0101'],
])('%s is a DecodeError', (_what, bytes) => {
  const payload = Uint8Array.fromHex(bytes.replace(' ', ''));
  expect(() => decodeAddress(payload)).toThrow(DecodeError);
});
