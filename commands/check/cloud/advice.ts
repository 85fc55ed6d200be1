/** What a provider's network does to packets between pods of different nodes, and what to do about it. Pure. */

import type { Traffic } from '../traffic.ts';
import type { Provider } from './provider.ts';

export interface CloudSituation {
  readonly traffic: Traffic;
  /** MTU of the interface towards the other nodes. */
  readonly underlayMtu: number | undefined;
  /** Its address. */
  readonly underlayAddress: string | undefined;
}

export interface CloudAdvice {
  /** `certain`: it cannot work like this. */
  readonly kind: 'certain' | 'possible';
  readonly message: string;
  readonly advice: string;
}

const NAMES: Readonly<Record<Provider, string>> = {
  alibaba: 'Alibaba Cloud',
  aws: 'Amazon EC2',
  azure: 'Azure',
  digitalocean: 'DigitalOcean',
  exoscale: 'Exoscale',
  google: 'Google Compute Engine',
  hetzner: 'Hetzner Cloud',
  hyperv: 'Hyper-V',
  kvm: 'a KVM virtual machine',
  linode: 'Linode',
  openstack: 'OpenStack',
  oracle: 'Oracle Cloud',
  scaleway: 'Scaleway',
  tencent: 'Tencent Cloud',
  upcloud: 'UpCloud',
  virtualbox: 'VirtualBox',
  vmware: 'VMware',
  vultr: 'Vultr',
};

/** The provider for people. */
export function providerName(provider: Provider): string {
  return NAMES[provider];
}

/** Where the network filters at the machines' ports, and under what name one opens it. */
const FILTERS: Partial<Readonly<Record<Provider, string>>> = {
  alibaba: 'security group',
  aws: 'security group',
  azure: 'network security group',
  digitalocean: 'cloud firewall',
  exoscale: 'security group',
  google: 'VPC firewall',
  hetzner: 'cloud firewall',
  linode: 'cloud firewall',
  openstack: 'security group',
  oracle: 'security list or network security group',
  scaleway: 'security group',
  tencent: 'security group',
  upcloud: 'server firewall',
  vultr: 'firewall group',
};

/** What lets only packets of the machine's own address pass, and how to change that. */
const ADDRESS_CHECKS: Partial<Readonly<Record<Provider, string>>> = {
  alibaba: "add routes for the pods' subnets to the VPC's route table",
  aws: 'switch off the source/destination check of every node, and keep nodes in one subnet or add routes to the VPC',
  azure: "enable IP forwarding on every node's interface and add user-defined routes for the pods' subnets",
  google: "create the nodes with IP forwarding (canIpForward) and add VPC routes for the pods' subnets",
  openstack:
    "add the pods' network to the allowed address pairs of every node's port, or switch off port security",
  oracle: "skip the source/destination check of every node's VNIC and add route rules for the pods' subnets",
  tencent: "add routes for the pods' subnets to the VPC's route table",
};

/** Networks that route between machines, so that no machine is another's next hop. */
const ROUTED: readonly Provider[] = ['aws', 'azure', 'google', 'hetzner', 'oracle', 'alibaba', 'tencent'];

/** What of it concerns this backend. */
export function cloudAdvice(provider: Provider, situation: CloudSituation): CloudAdvice[] {
  const { traffic } = situation;
  if (traffic.kind === 'none') return [];
  return [
    ...filterAdvice(provider, traffic),
    ...(traffic.kind === 'plain' ? plainAdvice(provider) : []),
    ...(traffic.kind === 'ipip' ? ipipAdvice(provider) : []),
    ...mtuAdvice(provider, situation),
    ...specialAdvice(provider, situation),
  ];
}

function filterAdvice(provider: Provider, traffic: Traffic): CloudAdvice[] {
  const filter = FILTERS[provider];
  if (filter === undefined || !('what' in traffic)) return [];
  return [
    {
      kind: 'possible',
      message: `on ${NAMES[provider]} a ${filter} may drop what nodes send each other`,
      advice: `allow ${traffic.what} between the nodes in the ${filter}`,
    },
  ];
}

function plainAdvice(provider: Provider): CloudAdvice[] {
  const check = ADDRESS_CHECKS[provider];
  if (check === undefined && !ROUTED.includes(provider)) return [];
  return [
    {
      kind: 'possible',
      message: `${NAMES[provider]} drops packets with pods' addresses, or does not take a node for a next hop`,
      advice: `${check ?? 'add routes for the pods to the network'}; or use the backend vxlan, which needs none of it`,
    },
  ];
}

function ipipAdvice(provider: Provider): CloudAdvice[] {
  // Azure's documentation of virtual networks names IP-in-IP and GRE among what is blocked.
  if (provider !== 'azure') return [];
  return [
    {
      kind: 'certain',
      message: 'Azure blocks IP-in-IP within its networks',
      advice: 'use the backend vxlan or wireguard',
    },
  ];
}

/** What the network between the machines carries, in bytes, where it is less than Ethernet's 1500. */
const NETWORK_MTU: Partial<Readonly<Record<Provider, readonly [mtu: number, where: string]>>> = {
  google: [1460, "a VPC's default MTU"],
  hetzner: [1450, 'the MTU of a private network'],
};

function mtuAdvice(provider: Provider, { underlayMtu }: CloudSituation): CloudAdvice[] {
  const [mtu, where] = NETWORK_MTU[provider] ?? [];
  if (mtu !== undefined && underlayMtu !== undefined && underlayMtu > mtu) {
    return [
      {
        kind: 'possible',
        message: `the interface has MTU ${underlayMtu}; ${where} on ${NAMES[provider]} is ${mtu}`,
        advice: `unless the network was set to more, set the interface's MTU to ${mtu}: the tunnel follows`,
      },
    ];
  }
  if (underlayMtu !== undefined && underlayMtu > 1500 && FILTERS[provider] !== undefined) {
    return [
      {
        kind: 'possible',
        message: `the interface has MTU ${underlayMtu}, which only paths within one network of ${NAMES[provider]} carry`,
        advice:
          'where nodes are in several regions, or behind a VPN or peering, set "MTU": 1500 in the backend',
      },
    ];
  }
  return [];
}

/** VirtualBox gives every machine behind its NAT the same address (its manual, "Network Address Translation"). */
const VIRTUALBOX_NAT = /^10\.0\.2\./;

function specialAdvice(provider: Provider, { underlayAddress = '', traffic }: CloudSituation): CloudAdvice[] {
  if (provider === 'virtualbox' && VIRTUALBOX_NAT.test(underlayAddress)) {
    return [
      {
        kind: 'certain',
        message: `VirtualBox gives every machine the address ${underlayAddress} behind its NAT: nodes cannot tell each other apart`,
        advice: 'name the interface of the network between the machines with --iface',
      },
    ];
  }
  // ESXi's own overlays used 8472 before 4789; its virtual switch may take guests' packets for its own.
  if (provider === 'vmware' && traffic.kind === 'vxlan' && traffic.port === 8472) {
    return [
      {
        kind: 'possible',
        message: 'VMware hosts with NSX may take UDP 8472 for their own tunnels',
        advice: 'if only small packets, or none, get through, set another "Port" in the backend on all nodes',
      },
    ];
  }
  return [];
}
