/** firewall's keys. Pure. */

import type { Ip } from '../../../shared/ip/ip.ts';
import { invalidConfig } from '../../protocol/error.ts';
import { readString } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import type { Result } from '../../protocol/result.ts';

export type BackendName = 'firewalld' | 'iptables' | 'nftables';

export type IngressPolicy = 'open' | 'same-bridge' | 'isolated';

/** What the firewall plugin is to do. Keys are described at the plugin (plugin.ts). */
export interface FirewallConfig {
  /** Undefined: whichever the node has (choose-backend.ts). */
  readonly backend: BackendName | undefined;
  /** A chain that administrators fill. */
  readonly adminChain: string;
  /** firewalld's zone. */
  readonly zone: string;
  readonly ingressPolicy: IngressPolicy;
}

/** What one attachment is to be given. */
export interface Wanted {
  readonly addresses: readonly Ip[];
  readonly adminChain: string;
  /** The bridge whose pods others do not reach. */
  readonly isolation: Isolation | undefined;
}

export interface Isolation {
  readonly bridge: string;
  /** Pods of the bridge do not reach each other either. */
  readonly isolated: boolean;
}

/** XT_EXTENSION_MAXNAMELEN − 1 of linux/netfilter/x_tables.h: bytes of a chain's name. */
const maxChainName = 28;

/** The chains of backend nftables, in a table in which the administrators' chain lies as well. */
export const ownChains = ['admins', 'forward', 'isolation', 'isolation-out', 'pods'] as const;

/** Reads and checks all keys. Throws code 6 for wrong types, 7 for what makes no sense. */
export function readFirewallConfig({ raw }: NetConf): FirewallConfig {
  const backend = readBackend(readString(raw['backend'], 'backend') ?? '');
  const adminChain = readAdminChain(
    readString(raw['iptablesAdminChainName'], 'iptablesAdminChainName') ?? '',
  );
  if (backend === 'nftables') refuseOwnChain(adminChain);
  return {
    backend,
    adminChain,
    zone: readString(raw['firewalldZone'], 'firewalldZone') || 'trusted',
    ingressPolicy: readPolicy(readString(raw['ingressPolicy'], 'ingressPolicy') ?? ''),
  };
}

function readBackend(name: string): BackendName | undefined {
  if (name === '') return undefined;
  if (name === 'firewalld' || name === 'iptables' || name === 'nftables') return name;
  throw invalidConfig(
    `backend is ${shown(name)}: it must be "iptables", "firewalld" or "nftables", or left out`,
  );
}

function readPolicy(name: string): IngressPolicy {
  if (name === '' || name === 'open') return 'open';
  if (name === 'same-bridge' || name === 'isolated') return name;
  throw invalidConfig(`ingressPolicy is ${shown(name)}: it must be "open", "same-bridge" or "isolated"`);
}

function readAdminChain(name: string): string {
  if (name === '') return 'CNI-ADMIN';
  if (name.length <= maxChainName && isPlain(name) && name[0] !== '-' && name[0] !== '!') return name;
  throw invalidConfig(
    `iptablesAdminChainName is ${shown(name)}: it must have at most ${maxChainName} printable ASCII ` +
      'characters, without blanks, quotes and backslashes, and not begin with "-" or "!"',
  );
}

/** A jump of the plugin's own chains to each other would be a loop, or accept what it must not. @throws CniError code 7 */
export function refuseOwnChain(adminChain: string): void {
  for (const name of ownChains) {
    if (name !== adminChain) continue;
    throw invalidConfig(
      `iptablesAdminChainName is ${shown(name)}, a chain of the plugin's own with backend nftables: ` +
        `choose another name than ${ownChains.join(', ')}`,
    );
  }
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}

/** Nothing that a line of iptables-restore would take for more than a part of a word. */
function isPlain(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code <= 0x20 || code >= 0x7f || text[index] === '"' || text[index] === "'" || text[index] === '\\')
      return false;
  }
  return true;
}

/** What an attachment with this result is to be given. Throws code 7 where a policy needs a bridge and there is none. */
export function wantedOf({ adminChain, ingressPolicy }: FirewallConfig, result: Result): Wanted {
  return {
    addresses: addressesOf(result),
    adminChain,
    isolation:
      ingressPolicy === 'open'
        ? undefined
        : { bridge: bridgeOf(result, ingressPolicy), isolated: ingressPolicy === 'isolated' },
  };
}

export function addressesOf(result: Result | undefined): Ip[] {
  const addresses: Ip[] = [];
  for (const { address } of result?.ips ?? []) addresses.push(address.ip);
  return addresses;
}

/** The bridge comes first in the results of bridge plugins. */
function bridgeOf({ interfaces }: Result, policy: IngressPolicy): string {
  const first = interfaces[0];
  if (first === undefined || first.name === '' || first.sandbox) {
    throw invalidConfig(`ingressPolicy "${policy}" needs a bridge as the first interface of prevResult`, {
      details: 'chain this plugin after one of type bridge, or leave ingressPolicy out',
    });
  }
  // A last "+" or "*" would stand for every name that begins so.
  if (isPlain(first.name) && !first.name.endsWith('+') && !first.name.endsWith('*')) return first.name;
  throw invalidConfig(`the bridge ${shown(first.name)} cannot be named in rules: rename it`);
}
