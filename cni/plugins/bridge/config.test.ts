import { describe, expect, test } from 'vitest';
import { formatMac } from '../../../shared/ip/mac.ts';
import { parseArgs } from '../../protocol/args.ts';
import type { JsonObject } from '../../protocol/json.ts';
import { netConfFromObject } from '../../protocol/net-conf.ts';
import type { BridgeConfig } from './config.ts';
import { readBridgeConfig } from './config.ts';

function read(raw: JsonObject, args: string = ''): BridgeConfig {
  return readBridgeConfig(netConfFromObject({ cniVersion: '1.0.0', name: 'net', ...raw }), parseArgs(args));
}

test('the defaults are upstream’s', () => {
  expect(read({})).toEqual({
    bridge: 'cni0',
    isGateway: false,
    isDefaultGateway: false,
    forceAddress: false,
    ipMasq: false,
    mtu: 0,
    hairpinMode: false,
    promiscMode: false,
    portIsolation: false,
    disableContainerInterface: false,
    enableDad: false,
    vlan: 0,
    vlanTrunk: [],
    preserveDefaultVlan: false,
    macSpoofCheck: false,
    mac: undefined,
    dns: undefined,
    ipamType: '',
  });
});

test('isDefaultGateway implies isGateway', () => {
  expect(read({ isDefaultGateway: true }).isGateway).toBe(true);
});

describe('the MAC address: the runtime’s word counts most', () => {
  const args = { cni: { mac: '02:00:00:00:00:02' } };
  const runtimeConfig = { mac: '02:00:00:00:00:03' };
  test.each([
    [{}, '', undefined],
    [{}, 'MAC=02:00:00:00:00:01', '02:00:00:00:00:01'],
    [{ args }, 'MAC=02:00:00:00:00:01', '02:00:00:00:00:02'],
    [{ args, runtimeConfig }, 'MAC=02:00:00:00:00:01', '02:00:00:00:00:03'],
    [{ runtimeConfig: { mac: '' } }, 'MAC=02:00:00:00:00:01;IP=10.1.0.2', '02:00:00:00:00:01'],
  ])('%j with %j gives %s', (raw, text, expected) => {
    const { mac } = read(raw, text);
    expect(mac && formatMac(mac)).toBe(expected);
  });
});

describe('what is not built is refused by name, unless it is at its default', () => {
  test.each([
    [
      { ipMasqBackend: 'iptables' },
      2,
      /"ipMasqBackend": "iptables" is not supported: masquerading is done by nftables/,
    ],
  ])('%j', (raw, code, message) => {
    expect(() => read(raw)).toThrow(message);
    expect(() => read(raw)).toThrow(expect.objectContaining({ code }));
  });

  test('at the default', () => {
    const raw = {
      vlan: 0,
      vlanTrunk: [],
      preserveDefaultVlan: false,
      macspoofchk: false,
      ipMasqBackend: 'nftables',
    };
    expect(read(raw).bridge).toBe('cni0');
    expect(read({ vlan: null, vlanTrunk: null, ipMasqBackend: null }).bridge).toBe('cni0');
  });
});

test.each([
  [[], []],
  [
    [{ id: 7 }, { minID: 3, maxID: 5 }, { id: 7 }],
    [3, 4, 5, 7],
  ],
  [[{ id: 9, minID: 8, maxID: 10 }], [8, 9, 10]],
  [[{}, { id: null }], []],
])('vlanTrunk %j is %j', (vlanTrunk, expected) => {
  expect(read({ vlanTrunk }).vlanTrunk).toEqual(expected);
});

describe('what makes no sense', () => {
  test.each([
    [{ hairpinMode: true, promiscMode: true }, '', 7, /exclude each other/],
    [{ disableContainerInterface: true, ipam: { type: 'host-local' } }, '', 7, /remove "ipam"/],
    [{ bridge: 'a-name-far-too-long' }, '', 7, /longer than 15 bytes/],
    [{ bridge: '' }, '', 7, /is empty/],
    [{ mtu: 67 }, '', 7, /mtu 67/],
    [{ mtu: -1 }, '', 7, /mtu -1/],
    [{ mtu: '1500' }, '', 6, /mtu must be an integer/],
    [{ isGateway: 'yes' }, '', 6, /isGateway must be true or false/],
    [{ vlan: 4095 }, '', 7, /vlan 4095 must lie between/],
    [{ vlan: -1 }, '', 7, /vlan -1 must lie between/],
    [{ vlanTrunk: [{ minID: 5 }] }, '', 7, /vlanTrunk\[0\] has only one of minID and maxID/],
    [{ vlanTrunk: [{ id: 1 }, { maxID: 5 }] }, '', 7, /vlanTrunk\[1\] has only one/],
    [{ vlanTrunk: [{ minID: 6, maxID: 5 }] }, '', 7, /minID 6 is greater than maxID 5/],
    [{ vlanTrunk: [{ id: 4095 }] }, '', 7, /vlanTrunk\[0\]\.id 4095 must lie between 1 and 4094/],
    [{ vlanTrunk: [{ minID: 0, maxID: 5 }] }, '', 7, /vlanTrunk\[0\]\.minID 0 must lie/],
    [{ vlanTrunk: [7] }, '', 6, /vlanTrunk\[0\] must be an object/],
    [{ vlanTrunk: 7 }, '', 6, /vlanTrunk must be an array/],
    [
      { bridge: 'bridge-of-pods', vlan: 4000, isGateway: true, ipam: { type: 'host-local' } },
      '',
      7,
      /bridge-of-pods\.4000 is longer than 15 bytes.*shorter name/,
    ],
    [{ ipMasqBackend: 'ebpf' }, '', 7, /ipMasqBackend "ebpf" is unknown/],
    [{ runtimeConfig: { mac: 'x' } }, '', 7, /MAC address "x"/],
    [{ runtimeConfig: { mac: '01:00:00:00:00:01' } }, '', 7, /multicast/],
    [{ dns: { nameservers: 'x' } }, '', 6, /dns\.nameservers must be an array/],
    [{}, 'COLOUR=red', 4, /unknown keys: COLOUR/],
  ])('%j %s', (raw, args, code, message) => {
    expect(() => read(raw, args)).toThrow(message);
    expect(() => read(raw, args)).toThrow(expect.objectContaining({ code }));
  });
});

test('dns counts only where it says something', () => {
  expect(read({ dns: {} }).dns).toBeUndefined();
  expect(read({ dns: { search: ['a.example'] } }).dns).toEqual({ search: ['a.example'] });
});
