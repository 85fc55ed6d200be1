import { describe, expect, test } from 'vitest';
import { formatMac } from '../../../../shared/ip/mac.ts';
import { readIpvlan } from '../../../../shared/netlink/codec/link-kinds/ipvlan.ts';
import { readMacvlan } from '../../../../shared/netlink/codec/link-kinds/macvlan.ts';
import { readVlan } from '../../../../shared/netlink/codec/link-kinds/vlan.ts';
import { parseArgs } from '../../../protocol/args.ts';
import { isCniError } from '../../../protocol/error.ts';
import { netConfFromObject } from '../../../protocol/net-conf.ts';
import { dummyType } from '../../dummy/config.ts';
import { ipvlanType } from '../../ipvlan/config.ts';
import { macvlanType } from '../../macvlan/config.ts';
import type { Json } from '../../testing/node.ts';
import { vlanType } from '../../vlan/config.ts';
import type { DeviceType, LinkDevice } from './device.ts';

function read(type: DeviceType, keys: Json, args: string = ''): LinkDevice {
  const conf = netConfFromObject({ cniVersion: '1.1.0', name: 'n', type: type.type, ...keys });
  return type.read(conf, parseArgs(args));
}

const data = ({ kind }: LinkDevice): Uint8Array => kind.data ?? new Uint8Array();

/** The code that a configuration is refused with; 0 where it is taken. */
function codeOf(type: DeviceType, keys: Json, args: string = ''): number {
  try {
    read(type, keys, args);
    return 0;
  } catch (error) {
    if (isCniError(error)) return error.code;
    throw error;
  }
}

describe('macvlan', () => {
  test.each<[string | undefined, number]>([
    [undefined, 4],
    ['', 4],
    ['bridge', 4],
    ['private', 1],
    ['vepa', 2],
    ['passthru', 8],
  ])('mode %s', (mode, number) => {
    expect(readMacvlan(data(read(macvlanType, { mode })))).toEqual({ mode: number });
  });

  test('what is not said is left to the kernel', () => {
    expect(read(macvlanType, {})).toMatchObject({
      master: '',
      linkInContainer: false,
      mtu: 0,
      mac: undefined,
      ipamType: '',
      needsAddresses: false,
      dns: {},
    });
    expect(readMacvlan(data(read(macvlanType, { bcqueuelen: 0 })))).toEqual({ mode: 4 });
    expect(readMacvlan(data(read(macvlanType, { bcqueuelen: 4294967295 })))).toEqual({
      mode: 4,
      broadcastQueueLength: 4294967295,
    });
  });

  test('the MAC address: capability before args before CNI_ARGS before the key', () => {
    const mac = (keys: Json, args?: string): string =>
      formatMac(read(macvlanType, { mac: '02:00:00:00:00:01', ...keys }, args).mac ?? new Uint8Array());
    const cni = { args: { cni: { mac: '02:00:00:00:00:03' } } };
    expect(mac({})).toBe('02:00:00:00:00:01');
    expect(mac({}, 'MAC=02:00:00:00:00:02')).toBe('02:00:00:00:00:02');
    expect(mac(cni, 'MAC=02:00:00:00:00:02')).toBe('02:00:00:00:00:03');
    expect(mac({ ...cni, runtimeConfig: { mac: '02:00:00:00:00:04' } })).toBe('02:00:00:00:00:04');
  });

  test.each<[Json, number]>([
    [{ mode: 'hub' }, 7],
    [{ mode: 'toString' }, 7],
    [{ mode: 4 }, 6],
    [{ master: 4 }, 6],
    [{ linkInContainer: 'yes' }, 6],
    [{ mtu: -1 }, 7],
    [{ mtu: '1400' }, 6],
    [{ mtu: 1.5 }, 6],
    [{ bcqueuelen: -1 }, 6],
    [{ bcqueuelen: 4294967296 }, 6],
    [{ mac: 'xx' }, 7],
    [{ mac: '01:00:5e:00:00:01' }, 7],
    [{ dns: { nameservers: 'x' } }, 6],
  ])('%j is refused with code %i', (keys, code) => {
    expect(codeOf(macvlanType, keys)).toBe(code);
  });
});

describe('ipvlan', () => {
  test.each<[string | undefined, number]>([
    [undefined, 0],
    ['l2', 0],
    ['l3', 1],
    ['l3s', 2],
  ])('mode %s', (mode, number) => {
    expect(readIpvlan(data(read(ipvlanType, { mode })))).toEqual({ mode: number });
  });

  test('takes nothing of a result before that it does not need: CHECK has its own there', () => {
    const prevResult = { cniVersion: '1.1.0', interfaces: [{ name: 'a' }, { name: 'b' }], ips: [] };
    expect(read(ipvlanType, { prevResult })).toMatchObject({ master: '', takesPrevious: true });
    expect(read(ipvlanType, { prevResult, master: 'up0' }).master).toBe('up0');
  });

  test.each<[Json, number]>([
    [{ mode: 'l9' }, 7],
    [{ mode: 2 }, 6],
    [{ mtu: -1 }, 7],
  ])('%j is refused with code %i', (keys, code) => {
    expect(codeOf(ipvlanType, keys)).toBe(code);
  });
});

describe('vlan', () => {
  test.each([0, 1, 4094])('vlanId %i', (vlanId) => {
    expect(readVlan(data(read(vlanType, { master: 'up0', vlanId })))).toEqual({ id: vlanId });
  });

  test.each<[Json, number]>([
    [{ vlanId: 7 }, 7],
    [{ master: '', vlanId: 7 }, 7],
    [{ master: 'up0', vlanId: 4095 }, 7],
    [{ master: 'up0', vlanId: -1 }, 7],
    [{ master: 'up0', vlanId: '7' }, 6],
    [{ master: 'up0', mtu: -1 }, 7],
  ])('%j is refused with code %i', (keys, code) => {
    expect(codeOf(vlanType, keys)).toBe(code);
  });
});

test('dummy has no keys of its own, and the name servers of its IPAM plugin', () => {
  expect(read(dummyType, { mtu: 9, dns: { nameservers: ['10.0.0.1'] } })).toEqual({
    kind: { kind: 'other', name: 'dummy' },
    master: undefined,
    linkInContainer: false,
    mtu: 0,
    mac: undefined,
    ipamType: '',
    needsAddresses: true,
    takesPrevious: false,
    dns: undefined,
    notifyIpv6: false,
  });
});
