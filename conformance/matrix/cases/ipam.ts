/** Types that give addresses, called as a delegating plugin calls them. Pure. */

import type { TypeCases } from '../case.ts';
import { dualStack, hostLocal } from '../case.ts';

const addresses = [
  { address: '10.81.0.5/24', gateway: '10.81.0.254' },
  { address: 'fd00:81::5/64', gateway: 'fd00:81::1' },
];

export const ipamTypes: readonly TypeCases[] = [
  {
    type: 'dhcp',
    // With a server: beside the plugin's code.
    cases: [
      { name: 'error: no daemon', config: { ipam: { type: 'dhcp' } } },
      { name: 'error: bad option', config: { ipam: { type: 'dhcp', provide: 5 } } },
    ],
  },
  {
    type: 'host-local',
    cases: [
      { name: 'both families', config: { ipam: dualStack } },
      {
        name: 'one subnet, a gateway of its own',
        config: {
          ipam: {
            type: 'host-local',
            subnet: '10.80.0.0/24',
            rangeStart: '10.80.0.20',
            rangeEnd: '10.80.0.30',
            gateway: '10.80.0.254',
          },
        },
      },
      { name: 'an address asked for', args: 'IP=10.80.0.77', config: { ipam: hostLocal } },
      {
        name: 'capabilities',
        config: {
          ipam: hostLocal,
          runtimeConfig: { ips: ['10.82.0.9'], ipRanges: [[{ subnet: '10.82.0.0/24' }]] },
        },
      },
      { name: 'error: no range', config: { ipam: { type: 'host-local' } } },
      {
        name: 'error: a subnet of one address',
        config: { ipam: { type: 'host-local', subnet: '10.80.0.1/32' } },
      },
      {
        name: 'error: the range’s end outside',
        config: { ipam: { type: 'host-local', subnet: '10.80.0.0/24', rangeEnd: '10.90.0.1' } },
      },
      { name: 'error: an address of no range', args: 'IP=10.99.0.77', config: { ipam: hostLocal } },
      { name: 'error: no IPAM', config: {} },
      { name: 'error: text for ranges', config: { ipam: { type: 'host-local', ranges: 'all' } } },
      {
        name: 'error: none free',
        files: { '/var/lib/cni/networks/net/10.80.0.2': 'other\r\neth0' },
        config: { ipam: { type: 'host-local', subnet: '10.80.0.0/30' } },
      },
    ],
  },
  {
    type: 'static',
    cases: [
      {
        name: 'both families',
        config: {
          ipam: {
            type: 'static',
            addresses,
            routes: [{ dst: '0.0.0.0/0' }, { dst: '192.0.2.0/24', gw: '10.81.0.1' }],
            dns: { nameservers: ['10.81.0.1'], domain: 'a.b', search: ['c'], options: ['ndots:2'] },
          },
        },
      },
      {
        name: 'addresses of CNI_ARGS',
        args: 'IP=10.82.0.9/24;GATEWAY=10.82.0.1',
        config: { ipam: { type: 'static' } },
      },
      {
        name: 'addresses of the runtime',
        config: { ipam: { type: 'static' }, runtimeConfig: { ips: ['10.83.0.9/24'] } },
      },
      {
        name: 'addresses of args',
        config: { ipam: { type: 'static', addresses }, args: { cni: { ips: ['10.84.0.9/24'] } } },
      },
      { name: 'error: no address', config: { ipam: { type: 'static' } } },
      {
        name: 'error: an address without length',
        config: { ipam: { type: 'static', addresses: [{ address: '10.81.0.5' }] } },
      },
      { name: 'error: no IPAM', config: {} },
      {
        name: 'error: a number for an address',
        config: { ipam: { type: 'static', addresses: [{ address: 5 }] } },
      },
    ],
  },
];
