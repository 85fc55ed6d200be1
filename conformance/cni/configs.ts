/** Network configurations that tests, kill rounds and benchmarks share. */

import { mkdirSync, writeFileSync } from 'node:fs';

/** A configuration of one plugin as a runtime would send it. */
export type Config = Record<string, unknown> & { name: string; type: string };

/** bridge with host-local; `overrides` add or replace keys. */
export function bridgeConfig(overrides: Record<string, unknown> = {}): Config {
  return {
    cniVersion: '1.0.0',
    name: 'bench',
    type: 'bridge',
    bridge: 'cni0',
    isGateway: true,
    isDefaultGateway: true,
    hairpinMode: true,
    ipMasq: false,
    ipam: { type: 'host-local', ranges: [[{ subnet: '10.22.0.0/16' }]] },
    ...overrides,
  };
}

/** The single type `underpod` as the default conflist has it: the subnet comes from subnet.env. */
export function underpodConfig(overrides: Record<string, unknown> = {}): Config {
  return {
    cniVersion: '1.1.0',
    name: 'cbr0',
    type: 'underpod',
    hairpinMode: true,
    forceAddress: true,
    isDefaultGateway: true,
    ...overrides,
  };
}

/** The single type with everything that it can do, for IPv4 and IPv6. It needs no subnet.env. */
export function wholeConfig(overrides: Record<string, unknown> = {}): Config {
  return underpodConfig({
    name: 'whole',
    bridge: 'cni4',
    ipMasq: true,
    ipam: { type: 'host-local', ranges: [[{ subnet: '10.25.0.0/16' }], [{ subnet: 'fd00:25::/64' }]] },
    firewall: { backend: 'nftables', ingressPolicy: 'isolated' },
    tuning: { sysctl: { 'net.ipv4.conf.IFNAME.arp_filter': '1' }, mtu: 1400, allmulti: true },
    runtimeConfig: {
      portMappings: [
        { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
        { hostPort: 5353, containerPort: 53, protocol: 'udp' },
      ],
      bandwidth: { ingressRate: 8_000_000, ingressBurst: 80_000, egressRate: 8_000_000, egressBurst: 80_000 },
    },
    ...overrides,
  });
}

/** Writes /run/flannel/subnet.env as the agent does. */
export function writeSubnetEnv(content: Partial<Record<string, string>> = {}): void {
  const values = {
    FLANNEL_NETWORK: '10.23.0.0/16',
    FLANNEL_SUBNET: '10.23.4.1/22',
    FLANNEL_MTU: '1450',
    FLANNEL_IPMASQ: 'true',
    ...content,
  };
  mkdirSync('/run/flannel', { recursive: true });
  const lines = Object.entries(values).filter(([, value]) => value !== undefined);
  writeFileSync('/run/flannel/subnet.env', lines.map(([key, value]) => `${key}=${value}\n`).join(''));
}
