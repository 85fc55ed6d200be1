import { describe, expect, test } from 'vitest';
import type { Traffic } from '../traffic.ts';
import { cloudAdvice, providerName } from './advice.ts';
import { type Dmi, type Provider, providerOf } from './provider.ts';

/** What firmware says, as machines of each provider show it in /sys/class/dmi/id. */
const MACHINES: readonly (readonly [string, Provider | undefined, Dmi])[] = [
  [
    'EC2, Nitro',
    'aws',
    {
      sys_vendor: 'Amazon EC2',
      product_name: 'm5.large',
      board_vendor: 'Amazon EC2',
      bios_vendor: 'Amazon EC2',
      bios_version: '1.0',
      chassis_asset_tag: 'Amazon EC2',
    },
  ],
  [
    'EC2, Xen',
    'aws',
    { sys_vendor: 'Xen', product_name: 'HVM domU', bios_vendor: 'Xen', bios_version: '4.11.amazon' },
  ],
  ['Xen of somebody', undefined, { sys_vendor: 'Xen', product_name: 'HVM domU', bios_version: '4.11.4-pre' }],
  [
    'Google',
    'google',
    {
      sys_vendor: 'Google',
      product_name: 'Google Compute Engine',
      board_vendor: 'Google',
      bios_vendor: 'Google',
    },
  ],
  [
    'Azure',
    'azure',
    {
      sys_vendor: 'Microsoft Corporation',
      product_name: 'Virtual Machine',
      board_name: 'Virtual Machine',
      chassis_asset_tag: '7783-7084-3265-9085-8269-3286-77',
    },
  ],
  [
    'Hyper-V at home',
    'hyperv',
    {
      sys_vendor: 'Microsoft Corporation',
      product_name: 'Virtual Machine',
      chassis_asset_tag: '3311-2274-1234-9876-1234-5678-90',
    },
  ],
  ['OpenStack', 'openstack', { sys_vendor: 'OpenStack Foundation', product_name: 'OpenStack Nova' }],
  ['OpenStack of Red Hat', 'openstack', { sys_vendor: 'Red Hat', product_name: 'OpenStack Compute' }],
  [
    'an OpenStack that only its tag tells',
    'openstack',
    { sys_vendor: 'QEMU', product_name: 'Standard PC', chassis_asset_tag: 'OpenTelekomCloud' },
  ],
  ['Hetzner', 'hetzner', { sys_vendor: 'Hetzner', product_name: 'vServer', bios_vendor: 'Hetzner' }],
  ['DigitalOcean', 'digitalocean', { sys_vendor: 'DigitalOcean', product_name: 'Droplet' }],
  [
    'Oracle',
    'oracle',
    { sys_vendor: 'QEMU', product_name: 'Standard PC', chassis_asset_tag: 'OracleCloud.com' },
  ],
  ['Alibaba', 'alibaba', { sys_vendor: 'Alibaba Cloud', product_name: 'Alibaba Cloud ECS' }],
  ['Tencent', 'tencent', { sys_vendor: 'Tencent Cloud', product_name: 'CVM' }],
  ['Vultr', 'vultr', { sys_vendor: 'Vultr', product_name: 'VC2' }],
  ['Linode', 'linode', { sys_vendor: 'Linode', product_name: 'Compute Instance' }],
  ['Scaleway', 'scaleway', { sys_vendor: 'Scaleway', product_name: 'SCW-DEV1-S' }],
  ['Exoscale', 'exoscale', { sys_vendor: 'Exoscale', product_name: 'Exoscale Compute Platform' }],
  ['UpCloud', 'upcloud', { sys_vendor: 'UpCloud', product_name: 'Server' }],
  ['VirtualBox', 'virtualbox', { sys_vendor: 'innotek GmbH', product_name: 'VirtualBox' }],
  ['VMware', 'vmware', { sys_vendor: 'VMware, Inc.', product_name: 'VMware Virtual Platform' }],
  ['QEMU', 'kvm', { sys_vendor: 'QEMU', product_name: 'Standard PC (Q35 + ICH9, 2009)' }],
  ['a server in a rack', undefined, { sys_vendor: 'Dell Inc.', product_name: 'PowerEdge R640' }],
  ['a container or a microVM', undefined, {}],
];

test.each(MACHINES)('%s', (_what, provider, dmi) => {
  expect(providerOf(dmi)).toBe(provider);
});

const VXLAN: Traffic = { kind: 'vxlan', port: 8472, what: 'UDP port 8472' };
const IPIP: Traffic = { kind: 'ipip', what: 'IP protocol 4 (IP-in-IP)' };
const PLAIN: Traffic = { kind: 'plain', what: "the pods' network" };

function advise(
  provider: Provider,
  traffic: Traffic,
  underlayMtu = 1500,
  underlayAddress = '10.0.0.4',
): string[] {
  return cloudAdvice(provider, { traffic, underlayMtu, underlayAddress }).map(
    ({ kind, message, advice }) => `${kind}: ${message} → ${advice}`,
  );
}

describe('advice', () => {
  test.each<[Provider, Traffic, RegExp]>([
    ['aws', VXLAN, /security group.*allow UDP port 8472/],
    ['aws', PLAIN, /source\/destination check/],
    ['google', VXLAN, /VPC firewall/],
    ['google', PLAIN, /IP forwarding \(canIpForward\)/],
    ['azure', IPIP, /^certain: Azure blocks IP-in-IP/],
    ['azure', PLAIN, /user-defined routes/],
    ['openstack', PLAIN, /allowed address pairs/],
    ['openstack', VXLAN, /security group/],
    ['hetzner', PLAIN, /vxlan, which needs none of it/],
    ['vmware', VXLAN, /NSX/],
  ])('%s with %o', (provider, traffic, expected) => {
    expect(advise(provider, traffic).filter((line) => expected.test(line))).toHaveLength(1);
  });

  test('sizes: more than the network carries, jumbo frames, and what fits', () => {
    const mtus = (provider: Provider, mtu: number): string[] =>
      advise(provider, VXLAN, mtu).filter((line) => line.includes('MTU'));
    expect(mtus('google', 1500)[0]).toContain('to 1460');
    expect(mtus('google', 1460)).toEqual([]);
    expect(mtus('hetzner', 1500)[0]).toContain('1450');
    expect(mtus('aws', 9001)[0]).toContain('"MTU": 1500');
    expect(mtus('aws', 1500)).toEqual([]);
    expect(mtus('kvm', 9000)).toEqual([]);
  });

  test("VirtualBox' NAT, where all nodes have one address", () => {
    expect(advise('virtualbox', VXLAN, 1500, '10.0.2.15')[0]).toMatch(/^certain: .*--iface/);
    expect(advise('virtualbox', VXLAN, 1500, '192.168.56.10')).toEqual([]);
  });

  test('a backend that sends nothing needs none; every provider has a name', () => {
    for (const [, provider] of MACHINES) {
      if (!provider) continue;
      expect(providerName(provider)).not.toBe('');
      expect(advise(provider, { kind: 'none' })).toEqual([]);
    }
  });
});
