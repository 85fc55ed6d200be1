import { describe, expect, test } from 'vitest';
import { parseArgs } from '../../protocol/args.ts';
import { isCniError } from '../../protocol/error.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import { netConfFromObject } from '../../protocol/net-conf.ts';
import type { DhcpConfig } from './config.ts';
import { readDhcpConfig, readSocketPath } from './config.ts';

function conf(ipam: Record<string, unknown>): NetConf {
  return netConfFromObject({ cniVersion: '1.1.0', name: 'n', type: 'x', ipam: { type: 'dhcp', ...ipam } });
}

const read = (ipam: Record<string, unknown>, args: string = ''): DhcpConfig =>
  readDhcpConfig(conf(ipam), parseArgs(args));

const hex = (text: string): string => Buffer.from(text).toString('hex');

describe('what is asked for', () => {
  test.each<[string, unknown, number[]]>([
    ['router and mask by default', undefined, [3, 1]],
    ['more first', [{ option: '121' }, { option: '6' }], [121, 6, 3, 1]],
    ['names', [{ option: 'host-name' }], [12, 3, 1]],
    ['no code twice', [{ option: 'routers' }, { option: '3' }], [3, 1]],
    ['nothing but that', [{ skipDefault: true, option: '1' }, { option: '121' }], [1, 121]],
    ["upstream's library's own", [{ skipDefault: true }], [1, 3, 15, 6]],
  ])('%s', (_what, request, codes) => {
    expect(read({ request }).request).toEqual(codes);
  });
});

describe('what is told', () => {
  test('values, and values of CNI_ARGS, the last one of a code', () => {
    const provide = [
      { option: 'host-name', value: 'a', fromArg: 'NAME' },
      { option: '77', fromArg: 'ABSENT' },
      { option: 'vendor-class-identifier', value: 'v' },
      { option: '60', value: 'ü' },
    ];
    expect(read({ provide }, 'NAME=pod').provide).toEqual([
      { code: 12, hex: hex('pod') },
      { code: 60, hex: hex('ü') },
    ]);
    expect(read({ provide }).provide[0]).toEqual({ code: 12, hex: hex('a') });
  });
});

test('socket and priority have defaults', () => {
  expect(readSocketPath(conf({}))).toBe('/run/underpod/dhcp.sock');
  expect(readSocketPath(conf({ daemonSocketPath: '/x' }))).toBe('/x');
  expect(read({}).priority).toBe(0);
  expect(read({ priority: 5 }).priority).toBe(5);
});

describe('refused', () => {
  test.each<[string, number, Record<string, unknown>]>([
    ['an unknown name', 7, { request: [{ option: 'doNotParseMe' }] }],
    ['a number beyond 254', 7, { request: [{ option: '255' }] }],
    ['padding', 7, { provide: [{ option: '0', value: 'x' }] }],
    ['the message type', 7, { provide: [{ option: '53', value: '1' }] }],
    ['no option', 7, { provide: [{ value: '1' }] }],
    ['a long value', 7, { provide: [{ option: '12', value: 'x'.repeat(256) }] }],
    ['a negative metric', 7, { priority: -1 }],
    ['a number as option', 6, { request: [{ option: 3 }] }],
    ['no list', 6, { request: {} }],
    ['null in a list', 6, { provide: [null] }],
    ['a socket that is no text', 6, { daemonSocketPath: 1 }],
  ])('%s', (_what, code, ipam) => {
    try {
      readSocketPath(conf(ipam));
      read(ipam);
    } catch (error) {
      expect(isCniError(error, code), String(error)).toBe(true);
      return;
    }
    throw new Error('it was taken');
  });

  test('a configuration without ipam', () => {
    const without = netConfFromObject({ cniVersion: '1.1.0', name: 'n', type: 'dhcp' });
    expect(() => readDhcpConfig(without, parseArgs(''))).toThrow(/no "ipam" section/);
  });
});
