/** What `/v1/status` on the agent's socket tells. Read one release back and forth: fields are added, never changed. */

import type { LagSummary } from './loop/lag-window.ts';

export interface AgentStatus {
  readonly apiVersion: 1;
  readonly program: 'agent';
  readonly version: string;
  readonly pid: number;
  readonly node: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly ready: boolean;
  /** Why not, or what is failing now. */
  readonly problems: readonly string[];
  readonly networks: readonly string[];
  readonly subnets: readonly string[];
  readonly backend: string;
  readonly devices: readonly DeviceStatus[];
  readonly podMtu?: number;
  readonly underlays: readonly UnderlayStatus[];
  readonly peers: PeerStatus;
  readonly lastSync?: { readonly at: string; readonly durationMs: number; readonly changes: number };
  /** Repairs since the start, by kind. */
  readonly repairs: Readonly<Record<string, number>>;
  readonly repair: boolean;
  /** From events to the end of the run that dealt with them. */
  readonly lag?: LagSummary;
  /** Where the rules are. */
  readonly rules?: 'nftables' | 'iptables';
  readonly ipMasq: boolean;
  /** Foreign chains that got an accept for pods. */
  readonly forwardAccepts: readonly string[];
  readonly datastore: DatastoreStatus;
}

export interface DeviceStatus {
  readonly name: string;
  /** Of devices that have one. */
  readonly mac?: string;
  readonly mtu: number;
}

export interface UnderlayStatus {
  readonly interface: string;
  readonly address: string;
  readonly publicIp: string;
  readonly mtu: number;
}

export interface PeerStatus {
  readonly total: number;
  readonly carried: number;
  readonly skipped: readonly { readonly node: string; readonly why: string }[];
  /** One for each family by which a peer is reached. */
  readonly paths?: readonly PeerPath[];
}

export interface PeerPath {
  readonly node: string;
  readonly subnet: string;
  /** The backend's tunnel (`vxlan`), or `direct`: a plain route. */
  readonly path: string;
  readonly device: string;
  /** The peer's address outside the tunnel. */
  readonly endpoint: string;
  /** Bytes of a packet that goes that way. */
  readonly mtu?: number;
  /** Left out where nothing is known, as of peers behind a router. */
  readonly state?: 'reachable' | 'unconfirmed' | 'failed';
  /** When it last answered (ARP, neighbour discovery, a tunnel's handshake), ISO 8601. */
  readonly lastReply?: string;
  /** What a tunnel has received from the peer and sent to it, where it counts. */
  readonly rxBytes?: number;
  readonly txBytes?: number;
}

export interface DatastoreStatus {
  readonly type: string;
  /** Why this one was chosen. */
  readonly why: string;
  readonly location: string;
  readonly connected: boolean;
  readonly error?: string;
  readonly lastContact?: string;
  readonly leaseUntil?: string;
  /** By when the agent means to have renewed it. */
  readonly leaseRenewal?: string;
}
