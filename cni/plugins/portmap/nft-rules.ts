/**
 * Port mappings as rules of nf_tables: upstream 1.9.1's tables, chains and comments, so that either cleans up after the
 * other. A pod's rules are known by their comment, which is the container's id. Pure.
 */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import type { Ip } from '../../../shared/ip/ip.ts';
import { daddr, saddr } from '../../../shared/nftables/build/address.ts';
import { fibDaddrType } from '../../../shared/nftables/build/match.ts';
import { dnatTo } from '../../../shared/nftables/build/nat.ts';
import type { Part } from '../../../shared/nftables/build/rule.ts';
import { rule } from '../../../shared/nftables/build/rule.ts';
import { jump, masquerade } from '../../../shared/nftables/build/statement.ts';
import { dport } from '../../../shared/nftables/build/transport.ts';
import type { Chain, ChainRef } from '../../../shared/nftables/model/chain.ts';
import { PRIORITY } from '../../../shared/nftables/model/chain.ts';
import type { TableRef } from '../../../shared/nftables/model/table.ts';
import type { Transaction } from '../../../shared/nftables/transaction.ts';
import type { PortMapping, PortmapConfig } from './config.ts';

const table = 'cni_hostport';

/** Both families, as nf_tables calls them. */
export const families = { 4: 'ip', 6: 'ip6' } as const;

/** A family's table. */
export function portTable(family: 4 | 6): TableRef {
  return { family: families[family], name: table };
}

const names = {
  all: 'hostports_all',
  /** Empty since upstream 1.6; kept, as rules of older versions may be in it. */
  withHostIp: 'hostip_hostports',
  ports: 'hostports',
  masquerading: 'masquerading',
} as const;

/** The chains that hold pods' rules. */
export const podChains: readonly string[] = [names.ports, names.withHostIp, names.masquerading];

/** Of these chains the number of rules tells whether they are whole; they are written together. */
export const baseChain = 'prerouting';
export const baseRules = 1;

function chain(family: 4 | 6, name: string): ChainRef {
  return { family: families[family], table, name };
}

function hooked(family: 4 | 6, hook: 'prerouting' | 'output' | 'postrouting', name: string): Chain {
  const priority = hook === 'postrouting' ? PRIORITY.srcnat : PRIORITY.dstnat;
  return { kind: 'chain', ...chain(family, name), base: { type: 'nat', hook, priority } };
}

/**
 * Makes a family's table what it must be.
 *
 * @param fresh there is nothing of it yet: then nothing is flushed, which would make the socket's close wait
 */
export function appendBase(
  transaction: Transaction,
  family: 4 | 6,
  {
    conditions,
    snat,
    fresh,
  }: { readonly conditions: readonly Part[]; readonly snat: boolean; readonly fresh: boolean },
): void {
  transaction.add({ kind: 'table', ...portTable(family), comment: 'CNI portmap plugin' });
  for (const name of [names.ports, names.withHostIp, names.all]) {
    transaction.add({ kind: 'chain', ...chain(family, name) });
  }
  const bases = [hooked(family, 'prerouting', 'prerouting'), hooked(family, 'output', 'output')];
  for (const base of bases) transaction.add(base);
  if (snat) transaction.add(hooked(family, 'postrouting', names.masquerading));
  if (!fresh) for (const one of [chain(family, names.all), ...bases]) transaction.flushChain(one);
  transaction.add(rule(chain(family, names.all), [jump(names.withHostIp)]));
  transaction.add(rule(chain(family, names.all), [jump(names.ports)]));
  for (const base of bases) {
    transaction.add(rule(base, [...conditions, fibDaddrType('local'), jump(names.all)]));
  }
}

/** Adds a pod's rules: its ports, and the masquerading of what could not come back otherwise. */
export function appendPorts(
  transaction: Transaction,
  { mappings, snat, masqAll }: PortmapConfig,
  containerId: string,
  { ip }: Cidr,
): void {
  const { family } = ip;
  for (const mapping of mappings) {
    if (!isOfFamily(mapping, family)) continue;
    const parts = [dport(mapping.protocol, mapping.hostPort), dnatTo(ip, mapping.containerPort)];
    if (mapping.hostIp && mapping.hostIp.value !== 0n) parts.unshift(daddr(mapping.hostIp));
    transaction.add(rule(chain(family, names.ports), parts, containerId));
  }
  if (!snat) return;
  for (const source of masqueraded(ip, masqAll)) {
    transaction.add(
      rule(chain(family, names.masquerading), [...source, daddr(ip), masquerade()], containerId),
    );
  }
}

/** How many rules a pod has in a chain when all are there. */
export function expectedRules({ mappings, snat, masqAll }: PortmapConfig, { ip }: Cidr): [string, number][] {
  const ports = mappings.filter((mapping) => isOfFamily(mapping, ip.family)).length;
  return [
    [names.ports, ports],
    [names.masquerading, snat ? masqueraded(ip, masqAll).length : 0],
  ];
}

/** A mapping of an address is of that address's family, one without of both. */
export function isOfFamily({ hostIp }: PortMapping, family: 4 | 6): boolean {
  return hostIp === undefined || hostIp.family === family;
}

/** 127.0.0.1: what a process of the node sends to itself leaves with this address, by route_localnet. */
const localhost: Ip = { family: 4, value: 0x7f00_0001n };

/**
 * The sources that are masqueraded on their way to the pod: all, or the pod itself (its answer would not pass the node)
 * and the node's localhost.
 */
function masqueraded(ip: Ip, all: boolean): readonly (readonly Part[])[] {
  if (all) return [[saddr({ ip: { family: ip.family, value: 0n }, prefix: 0 })]];
  return ip.family === 4 ? [[saddr(ip)], [saddr(localhost)]] : [[saddr(ip)]];
}
