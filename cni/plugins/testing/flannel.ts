/** What the tests of the types flannel and underpod share. */

import type { Json } from './node.ts';

/** subnet.env of a node, as the agent writes it. */
export function subnetEnv(masq: boolean, ...more: string[]): string {
  const lines = [
    'FLANNEL_NETWORK=10.244.0.0/16',
    'FLANNEL_SUBNET=10.244.3.1/24',
    'FLANNEL_MTU=1450',
    `FLANNEL_IPMASQ=${masq}`,
  ];
  return `${[...lines, ...more].join('\n')}\n`;
}

/** The classic chain's first plugin, configured as k3s does. */
export const flannelConf: Json = {
  cniVersion: '1.1.0',
  name: 'cbr0',
  type: 'flannel',
  delegate: { hairpinMode: true, forceAddress: true, isDefaultGateway: true },
};

/** The same network as one plugin. */
export const underpodConf: Json = {
  cniVersion: '1.1.0',
  name: 'cbr0',
  type: 'underpod',
  hairpinMode: true,
  forceAddress: true,
  isDefaultGateway: true,
  capabilities: { portMappings: true, bandwidth: true },
};

/** Where rendered configurations are kept. */
export const dataDir: string = '/var/lib/cni/flannel';
