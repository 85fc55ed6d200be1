import { describe, expect, test } from 'vitest';
import { formatMac } from '../../../shared/ip/mac.ts';
import { parseArgs } from '../../protocol/args.ts';
import { netConfFromObject } from '../../protocol/net-conf.ts';
import type { Json } from '../testing/node.ts';
import { readDataDirLeniently, readTuningConfig, sysctlOf, type TuningConfig } from './config.ts';

const conf = (keys: Json) => netConfFromObject({ cniVersion: '1.1.0', name: 'net', type: 'tuning', ...keys });
const read = (keys: Json, args: string = ''): TuningConfig => readTuningConfig(conf(keys), parseArgs(args));
const sysctls = (keys: Json, ifname: string = 'eth0'): Json =>
  Object.fromEntries(read(keys).sysctls.map((sysctl) => [sysctlOf(sysctl, ifname), sysctl.value]));
const mac = (last: number): string => `02:42:00:00:00:0${last}`;

describe('parameters', () => {
  test('are parted by dots or slashes, in the order of the configuration', () => {
    const keys = { sysctl: { 'net.core.somaxconn': '5', 'net/ipv4/ip_forward': '1', 'net..ipv6/x': '' } };
    expect(Object.entries(sysctls(keys))).toEqual([
      ['net/core/somaxconn', '5'],
      ['net/ipv4/ip_forward', '1'],
      ['net/ipv6/x', ''],
    ]);
  });

  test('have the interface’s name in place of IFNAME, dots and all', () => {
    const keys = { sysctl: { 'net.ipv4.conf.IFNAME.arp_filter': '1' } };
    expect(sysctls(keys, 'eth0.5')).toEqual({ 'net/ipv4/conf/eth0.5/arp_filter': '1' });
    expect(sysctls(keys, '$&')).toEqual({ 'net/ipv4/conf/$&/arp_filter': '1' });
  });

  test('of args.cni win, however they are written', () => {
    const keys = {
      sysctl: { 'net.core.somaxconn': '1', 'net.core.other': '2' },
      args: { cni: { sysctl: { 'net/core/somaxconn': '3', 'net.core.more': '4' } } },
    };
    expect(sysctls(keys)).toEqual({
      'net/core/somaxconn': '3',
      'net/core/other': '2',
      'net/core/more': '4',
    });
    expect(sysctls({ args: { cni: { sysctl: { 'net.a': '1' } } } })).toEqual({ 'net/a': '1' });
  });

  test.each([
    ['kernel.hostname'],
    ['vm/swappiness'],
    ['net'],
    ['net.'],
    ['../kernel/hostname'],
    ['nets/core/x'],
    ['IFNAME.core.somaxconn'],
    [''],
    ['net.core.\0'],
  ])('%j is refused', (key) => {
    expect(() => read({ sysctl: { [key]: '1' } })).toThrow(expect.objectContaining({ code: 7 }));
  });

  test('cannot leave the network’s', () => {
    expect(sysctls({ sysctl: { 'net/../../kernel/x': '1', 'net.core.../y': '1' } })).toEqual({
      'net/kernel/x': '1',
      'net/core/y': '1',
    });
  });

  test('the same one twice is refused', () => {
    expect(() => read({ sysctl: { 'net.core.a': '1', 'net/core/a': '2' } })).toThrow(
      /"net\.core\.a" and "net\/core\/a", which are the same/,
    );
  });

  test.each([
    [{ sysctl: [] }],
    [{ sysctl: { 'net.a': 1 } }],
    [{ sysctl: { 'net.a': null } }],
    [{ args: { cni: { sysctl: 'x' } } }],
  ])('%j has wrong types', (keys) => {
    expect(() => read(keys)).toThrow(expect.objectContaining({ code: 6 }));
  });
});

describe('attributes', () => {
  test('args.cni wins', () => {
    const keys = { promisc: true, mtu: 1300, allmulti: true, txQLen: 5 };
    expect(read(keys).settings).toEqual(keys);
    const cni = { promisc: false, mtu: 1200, allmulti: false, txQLen: 0 };
    expect(read({ ...keys, args: { cni } }).settings).toEqual({ mtu: 1200, allmulti: false, txQLen: 0 });
    expect(read({ args: { cni: { promisc: true } } }).settings).toEqual({ promisc: true });
  });

  test('off, 0 and empty ask for nothing, as far as upstream has it so', () => {
    expect(read({ promisc: false, mtu: 0, mac: '', allmulti: null, txQLen: null }).settings).toEqual({});
  });

  const all = {
    mac: mac(1),
    runtimeConfig: { mac: mac(3) },
    args: { cni: { mac: mac(4) } },
  };
  test.each([
    [{ mac: mac(1) }, '', mac(1)],
    [{ mac: mac(1) }, `MAC=${mac(2)}`, mac(2)],
    [{ mac: mac(1), runtimeConfig: { mac: mac(3) } }, `MAC=${mac(2)}`, mac(3)],
    [all, `MAC=${mac(2)}`, mac(4)],
    [{ ...all, runtimeConfig: { mac: '' }, args: {} }, 'MAC=', mac(1)],
    [{ ...all, args: { cni: { mac: '' } } }, '', undefined],
    [{ mac: 'C2-B0-57-49-47-F1' }, '', 'c2:b0:57:49:47:f1'],
  ])('the MAC address of %j with CNI_ARGS %j', (keys, args, expected) => {
    const { settings } = read(keys, args);
    expect(settings.mac && formatMac(settings.mac)).toBe(expected);
  });

  test.each([
    [{ mac: 'x' }, '', 7],
    [{ mac: '01:00:00:00:00:01' }, '', 7],
    [{ mac: 5 }, '', 6],
    [{ promisc: 'yes' }, '', 6],
    [{ mtu: -1 }, '', 6],
    [{ mtu: 2 ** 31 }, '', 6],
    [{ txQLen: 1.5 }, '', 6],
    [{ args: { cni: { allmulti: 1 } } }, '', 6],
    [{ dataDir: 1 }, '', 6],
    [{}, 'OTHER=1', 4],
  ])('%j with CNI_ARGS %j is refused', (keys, args, code) => {
    expect(() => read(keys, args)).toThrow(expect.objectContaining({ code }));
  });
});

test('dataDir', () => {
  expect(read({}).dataDir).toBe('/run/cni/tuning');
  expect(read({ dataDir: '/var/lib/x//' }).dataDir).toBe('/var/lib/x');
  expect(readDataDirLeniently(conf({ dataDir: 5 }))).toBe('/run/cni/tuning');
});
