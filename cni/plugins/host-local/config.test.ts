import { describe, expect, test } from 'vitest';
import { formatIp } from '../../../shared/ip/ip.ts';
import { parseArgs } from '../../protocol/args.ts';
import type { JsonObject } from '../../protocol/json.ts';
import { netConfFromObject } from '../../protocol/net-conf.ts';
import type { HostLocalConfig } from './config.ts';
import { readDirectory, readHostLocalConfig } from './config.ts';
import { describeRanges } from './ranges.ts';

function read(ipam: unknown, more: JsonObject = {}, args: string = ''): HostLocalConfig {
  const conf = netConfFromObject({ cniVersion: '1.0.0', name: 'net', ipam, ...more });
  return readHostLocalConfig(conf, parseArgs(args));
}

const subnet = { subnet: '10.1.0.0/24' };

describe('range sets', () => {
  test('come from runtimeConfig, then from the section, then from its list', () => {
    const { rangeSets } = read(
      { type: 'host-local', ...subnet, ranges: [[{ subnet: '10.2.0.0/24' }, { subnet: '10.3.0.0/24' }]] },
      { runtimeConfig: { ipRanges: [[{ subnet: 'fd00::/120' }]] } },
    );
    expect(rangeSets.map(describeRanges)).toEqual([
      'fd00::1-fd00::ff',
      '10.1.0.1-10.1.0.254',
      '10.2.0.1-10.2.0.254,10.3.0.1-10.3.0.254',
    ]);
  });

  test.each([
    [{}, /no address ranges/],
    [{ ranges: [] }, /no address ranges/],
    [{ ranges: [[]] }, /ipam\.ranges\[0\] is empty/],
    [{ ranges: [{}] }, /ipam\.ranges\[0\] must be an array/],
    [{ ranges: [[null]] }, /ipam\.ranges\[0\]\[0\] must be an object/],
    [{ ranges: [[{ subnet: '10.1.0.0/24' }, { subnet: 'fd00::/64' }]] }, /mixes IPv4 and IPv6/],
    [{ ranges: [[{ subnet: '10.1.0.0/24' }, { subnet: '10.1.0.0/25' }]] }, /ranges 0 and 1 overlap/],
    [{ ...subnet, ranges: [[{ subnet: '10.1.0.128/25' }]] }, /range sets 0 and 1 overlap/],
    ['x', /ipam must be an object/],
    [undefined, /has no "ipam" section/],
    [{ ...subnet, dataDir: 1 }, /ipam\.dataDir must be a string/],
    [{ ...subnet, routes: [{ dst: 'x' }] }, /ipam\.routes\[0\]\.dst/],
  ])('%j is refused', (ipam, message) => {
    expect(() => read(ipam)).toThrow(message);
  });

  test('CNI before 0.3.0 has room for one address of each family', () => {
    const two = { ranges: [[{ subnet: '10.1.0.0/24' }], [{ subnet: '10.2.0.0/24' }]] };
    expect(() => read(two, { cniVersion: '0.2.0' })).toThrow(/has room for one IPv4 address/);
    const each = { ranges: [[{ subnet: '10.1.0.0/24' }], [{ subnet: 'fd00::/64' }]] };
    expect(read(each, { cniVersion: '0.2.0' }).rangeSets).toHaveLength(2);
  });
});

describe('requested addresses', () => {
  test('come from CNI_ARGS, args and runtimeConfig, with or without a prefix length', () => {
    const { requested } = read(
      subnet,
      { args: { cni: { ips: ['10.1.0.6/24'] } }, runtimeConfig: { ips: ['10.1.0.7', 'fd00::7/64'] } },
      'IgnoreUnknown=1;K8S_POD_NAME=x;IP=10.1.0.5',
    );
    expect(requested.map(formatIp)).toEqual(['10.1.0.5', '10.1.0.6', '10.1.0.7', 'fd00::7']);
  });

  test.each([
    [{}, 'IP=10.1.0', /CNI_ARGS IP: "10\.1\.0" is no IP address/],
    [{ runtimeConfig: { ips: [''] } }, '', /runtimeConfig\.ips\[0\]: "" is no IP address/],
    [{ args: { cni: { ips: 'x' } } }, '', /args\.cni\.ips must be an array/],
    [{}, 'FOO=1', /unknown keys: FOO/],
  ])('%j %s is refused', (more, args, message) => {
    expect(() => read(subnet, more, args)).toThrow(message);
  });
});

test('the directory is called like the network', () => {
  const conf = (dataDir?: string) => netConfFromObject({ name: 'net', ipam: { dataDir } });
  expect(readDirectory(conf())).toBe('/var/lib/cni/networks/net');
  expect(readDirectory(conf('/srv/data//'))).toBe('/srv/data/net');
  expect(readDirectory(netConfFromObject({ name: 'net' }))).toBe('/var/lib/cni/networks/net');
});
