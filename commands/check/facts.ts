/** What `underpod check` collects before it judges. Plain data, so that every check is a pure function. */

import type { AgentStatus } from '../../cni/agent/status.ts';
import type { BackendConf } from '../../shared/config/net-conf.ts';
import type { Dmi } from './cloud/provider.ts';
import type { Presence } from './features.ts';

export interface Facts {
  /** The agent's own word, or why there is none. */
  readonly agent: AgentStatus | { readonly why: string };
  /** The backend that net-conf.json names; `undefined` where there is no such file or it is wrong. */
  readonly backend: BackendConf | undefined;
  readonly features: Readonly<Record<string, Presence>>;
  /** Kernel parameters by their name with slashes; those that do not exist are left out. */
  readonly sysctls: Readonly<Record<string, string>>;
  readonly links: readonly LinkFact[];
  /** The text of subnet.env. */
  readonly subnetEnv: string | undefined;
  /** Chains that drop what pods forward, with no accept before. */
  readonly forwardDrops: readonly string[];
  /** Why these could not be looked at. */
  readonly forwardProblem?: string;
  readonly tunnelInput: TunnelInput | undefined;
  readonly dmi: Dmi;
  readonly probes: readonly PeerProbe[];
  /** `undefined` where the kernel does not tell. */
  readonly clockSynchronised: boolean | undefined;
  /** ms since the epoch */
  readonly now: number;
}

export interface LinkFact {
  readonly index: number;
  readonly name: string;
  /** `vxlan`, `wireguard`, `bridge`, …, as `ip -d link` names it; '' for an ordinary one. */
  readonly kind: string;
  readonly mtu: number;
  readonly up: boolean;
  /** Index of the bridge that it is a port of. */
  readonly master?: number;
  /** UDP port of a VXLAN or WireGuard device. */
  readonly port?: number;
  /** Its addresses with prefix. */
  readonly addresses: readonly string[];
}

/** What becomes of the tunnel's packets from a peer at this node's own filters. */
export interface TunnelInput {
  readonly what: string;
  readonly chains: readonly { readonly place: string; readonly verdict: 'accepted' | 'dropped' | 'unsure' }[];
}

/** Whether a peer answered within a second: `undefined` where it was not asked. */
export interface PeerProbe {
  readonly node: string;
  /** The address in the pod network that was asked. */
  readonly target: string;
  readonly endpoint: string;
  /** A small packet through the tunnel. */
  readonly small: boolean;
  /** One as large as the tunnel takes. */
  readonly full: boolean;
  /** A small one beside the tunnel. */
  readonly outside: boolean;
}

/** The agent's status, if it answered. */
export function statusOf({ agent }: Pick<Facts, 'agent'>): AgentStatus | undefined {
  return 'apiVersion' in agent ? agent : undefined;
}
