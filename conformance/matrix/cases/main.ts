/** Types that make the pod's interface. Pure. */

import type { TypeCases } from '../case.ts';
import { dualStack, hostLocal, master } from '../case.ts';

const mac = '02:42:00:00:00:07';

export const mainTypes: readonly TypeCases[] = [
  {
    type: 'bridge',
    cases: [
      {
        name: 'gateway, both families',
        config: {
          bridge: 'br0',
          isDefaultGateway: true,
          hairpinMode: true,
          ipam: { ...dualStack, routes: [] },
        },
      },
      {
        name: 'no gateway, with routes',
        config: {
          bridge: 'br0',
          mtu: 1400,
          ipam: { ...hostLocal, routes: [{ dst: '192.0.2.0/24', gw: '10.80.0.9' }] },
        },
      },
      {
        name: 'masquerading',
        config: { bridge: 'br0', isGateway: true, ipMasq: true, ipMasqBackend: 'nftables', ipam: dualStack },
      },
      { name: 'without addresses', config: { bridge: 'br0' } },
      {
        name: 'MAC address of the runtime',
        args: 'IgnoreUnknown=1;MAC=02:42:00:00:00:01',
        config: { bridge: 'br0', ipam: hostLocal, runtimeConfig: { mac } },
      },
      {
        name: 'a VLAN with a gateway in it',
        parts: ['bridge with VLANs', 'vlan'],
        config: { bridge: 'br0', vlan: 7, isDefaultGateway: true, ipam: { ...dualStack, routes: [] } },
      },
      {
        name: 'VLAN trunk',
        parts: ['bridge with VLANs'],
        config: {
          bridge: 'br0',
          vlanTrunk: [{ minID: 10, maxID: 12 }, { id: 20 }],
          preserveDefaultVlan: false,
          ipam: hostLocal,
        },
      },
      { name: 'error: a number for a name', config: { bridge: 5, ipam: hostLocal } },
      { name: 'error: VLAN 5000', config: { bridge: 'br0', vlan: 5000, ipam: hostLocal } },
      {
        name: 'error: promiscuous and hairpin',
        config: { bridge: 'br0', promiscMode: true, hairpinMode: true, ipam: hostLocal },
      },
      {
        name: 'error: the bridge is another kind of link',
        setup: ['ip link add name br0 type veth peer name br1'],
        config: { bridge: 'br0', ipam: hostLocal },
      },
      { name: 'error: no such IPAM plugin', config: { bridge: 'br0', ipam: { type: 'nowhere' } } },
    ],
  },
  {
    type: 'dummy',
    cases: [
      { name: 'both families', config: { ipam: dualStack } },
      { name: 'error: no IPAM', config: {} },
      { name: 'error: IPAM without type', config: { ipam: { subnet: '10.80.0.0/24' } } },
    ],
  },
  {
    type: 'host-device',
    cases: [
      { name: 'by name', setup: master, config: { device: 'up0' } },
      {
        name: 'with addresses',
        setup: [...master, 'ip address add 10.9.0.1/24 dev up0'],
        config: { device: 'up0', ipam: dualStack },
      },
      {
        name: 'by MAC address',
        setup: [...master, `ip link set up0 address ${mac}`],
        config: { hwaddr: mac },
      },
      { name: 'error: nothing named', config: {} },
      { name: 'error: no such device', config: { device: 'up0' } },
      { name: 'error: a number for a name', config: { device: 7 } },
    ],
  },
  {
    type: 'ipvlan',
    cases: [
      ...['l2', 'l3', 'l3s'].map((mode) => ({
        name: `mode ${mode}`,
        setup: master,
        config: { master: 'up0', mode, ipam: dualStack },
      })),
      { name: 'MTU', setup: master, config: { master: 'up0', mtu: 1300, ipam: hostLocal } },
      { name: 'error: no such master', config: { master: 'up0', ipam: hostLocal } },
      { name: 'error: no master, no default route', config: { ipam: hostLocal } },
      { name: 'error: unknown mode', setup: master, config: { master: 'up0', mode: 'l9', ipam: hostLocal } },
      {
        name: 'MTU above the master’s',
        setup: master,
        config: { master: 'up0', mtu: 9000, ipam: hostLocal },
      },
    ],
  },
  {
    type: 'macvlan',
    cases: [
      ...['bridge', 'private', 'vepa', 'passthru'].map((mode) => ({
        name: `mode ${mode}`,
        setup: master,
        config: { master: 'up0', mode, ipam: dualStack },
      })),
      { name: 'without addresses', setup: master, config: { master: 'up0', mtu: 1400 } },
      {
        name: 'MAC address of the runtime',
        setup: master,
        args: 'IgnoreUnknown=1;MAC=02:42:00:00:00:01',
        config: { master: 'up0', ipam: hostLocal, runtimeConfig: { mac } },
      },
      {
        name: 'the default route’s link',
        setup: [...master, 'ip address add 10.9.0.1/24 dev up0', 'ip route add default via 10.9.0.2'],
        config: { ipam: hostLocal },
      },
      { name: 'error: no such master', config: { master: 'up0', ipam: hostLocal } },
      { name: 'error: no master, no default route', config: { ipam: hostLocal } },
      { name: 'error: unknown mode', setup: master, config: { master: 'up0', mode: 'hub', ipam: hostLocal } },
      {
        name: 'error: MTU above the master’s',
        setup: master,
        config: { master: 'up0', mtu: 9000, ipam: hostLocal },
      },
    ],
  },
  {
    type: 'ptp',
    cases: [
      { name: 'both families', config: { ipam: dualStack } },
      {
        name: 'masquerading',
        config: { ipMasq: true, ipMasqBackend: 'nftables', mtu: 1400, ipam: dualStack },
      },
      { name: 'error: no IPAM', config: {} },
      { name: 'error: text for an MTU', config: { mtu: 'big', ipam: hostLocal } },
    ],
  },
  {
    type: 'tap',
    cases: [
      { name: 'both families', config: { ipam: dualStack } },
      {
        name: 'owned, several queues',
        config: { multiQueue: true, owner: 0, group: 0, mtu: 1400, ipam: hostLocal },
      },
      { name: 'MAC address of the runtime', config: { runtimeConfig: { mac } } },
      {
        name: 'error: the bridge is the host’s',
        setup: ['ip link add name br0 type bridge'],
        config: { bridge: 'br0' },
      },
      { name: 'error: text for an owner', config: { owner: 'root' } },
    ],
  },
  {
    type: 'vlan',
    cases: [
      { name: 'both families', setup: master, config: { master: 'up0', vlanId: 7, ipam: dualStack } },
      { name: 'MTU', setup: master, config: { master: 'up0', vlanId: 4094, mtu: 1300, ipam: hostLocal } },
      { name: 'error: no master', config: { vlanId: 7, ipam: hostLocal } },
      { name: 'error: no such master', config: { master: 'up0', vlanId: 7, ipam: hostLocal } },
      { name: 'error: number 4095', setup: master, config: { master: 'up0', vlanId: 4095, ipam: hostLocal } },
      {
        name: 'error: MTU above the master’s',
        setup: master,
        config: { master: 'up0', vlanId: 7, mtu: 9000, ipam: hostLocal },
      },
    ],
  },
];
