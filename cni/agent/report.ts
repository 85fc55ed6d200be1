/** Puts the agent's status together. Pure. */

import type { NetConf } from '../../shared/config/net-conf.ts';
import { formatCidr } from '../../shared/ip/cidr.ts';
import { formatIp } from '../../shared/ip/ip.ts';
import { formatMac } from '../../shared/ip/mac.ts';
import type { Backend, Underlays } from './backends/backend.ts';
import { locationOf } from './datastores/options.ts';
import type { Membership } from './leases/membership.ts';
import type { LagSummary } from './loop/lag-window.ts';
import type { NetworkSync } from './network-sync.ts';
import type { AgentOptions } from './options.ts';
import { type PeerEvidence, peerPaths } from './peer-paths.ts';
import type { RuleBackend } from './rules/pod-rules.ts';
import type { AgentStatus } from './status.ts';

export interface StatusInput {
  readonly options: AgentOptions;
  readonly netConf: NetConf;
  readonly version: string;
  /** ms since the epoch */
  readonly startedAt: number;
  readonly ready: boolean;
  readonly waitingFor: readonly string[];
  readonly failing: readonly string[];
  readonly underlays: Underlays;
  readonly backend: Backend;
  readonly membership: Membership;
  readonly network: NetworkSync;
  readonly repairs: Readonly<Record<string, number>>;
  readonly lag: LagSummary | undefined;
  readonly rules: RuleBackend;
  /** By public address. */
  readonly evidence: ReadonlyMap<string, PeerEvidence>;
  /** ms since the epoch */
  readonly now: number;
  readonly forwardAccepts: readonly string[];
}

/** See AgentStatus. */
export function agentStatus(input: StatusInput): AgentStatus {
  const { options, netConf, membership, network, underlays, backend } = input;
  const { own, peers, health } = membership;
  const chosen = [underlays.v4, underlays.v6].filter((underlay) => underlay !== undefined);
  const iso = (ms: number): string => new Date(ms).toISOString();
  return {
    apiVersion: 1,
    program: 'agent',
    version: input.version,
    pid: process.pid,
    node: options.node,
    startedAt: iso(input.startedAt),
    ready: input.ready,
    problems: [
      ...[backend.problem?.(underlays)].filter((problem) => problem !== undefined),
      ...(input.ready ? [] : input.waitingFor.map((part) => `waiting for: ${part}`)),
      ...input.failing.map((part) => `failing, tried again: ${part}`),
      ...(health.error === undefined ? [] : [health.error]),
    ],
    networks: [netConf.ipv4, netConf.ipv6].flatMap((family) => (family ? [formatCidr(family.network)] : [])),
    subnets: [own?.subnet, own?.subnetV6].flatMap((subnet) => (subnet ? [formatCidr(subnet)] : [])),
    backend: backend.type,
    devices: network.devices.map((device) => ({
      name: device.name,
      ...(device.kind === 'vxlan' && { mac: formatMac(device.mac) }),
      mtu: device.mtu,
    })),
    ...(chosen.length > 0 && { podMtu: backend.podMtu(underlays) }),
    underlays: chosen.map(({ name, address, publicIp, mtu }) => ({
      interface: name,
      address: formatIp(address),
      publicIp: formatIp(publicIp),
      mtu,
    })),
    peers: {
      total: peers.leases.length,
      carried: peers.carried,
      skipped: network.skipped,
      paths: peerPaths({
        peers: peers.leases,
        routes: network.routes,
        wireguardPeers: network.wireguardPeers,
        devices: network.devices,
        backend,
        underlays,
        evidence: input.evidence,
        now: input.now,
      }),
    },
    ...(network.last && {
      lastSync: {
        at: iso(network.last.at),
        durationMs: Math.round(network.last.durationMs * 10) / 10,
        changes: network.last.changes,
      },
    }),
    repairs: input.repairs,
    repair: options.repair,
    ...(input.lag && { lag: input.lag }),
    rules: input.rules,
    ipMasq: options.rules.ipMasq,
    forwardAccepts: input.forwardAccepts,
    datastore: {
      type: options.datastore.type,
      why: options.datastore.why,
      location: locationOf(options.datastore),
      connected: health.connected,
      ...(health.error !== undefined && { error: health.error }),
      ...(health.lastContact !== undefined && { lastContact: iso(health.lastContact) }),
      ...(own && Number.isFinite(own.expiresAt) && { leaseUntil: iso(own.expiresAt) }),
      ...(membership.renewal !== undefined && { leaseRenewal: iso(membership.renewal) }),
    },
  };
}
