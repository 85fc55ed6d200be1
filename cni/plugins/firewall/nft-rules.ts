/**
 * The rules of backend nftables: a table of our own, in which chains do what upstream's do in iptables. Pods are
 * elements of two sets, so that a packet costs one look-up however many there are; each element's comment says whose it
 * is. Functions append to a transaction, so that others' changes can be made along with it. Pure.
 */

import type { Ip } from '../../../shared/ip/ip.ts';
import { ipToBytes } from '../../../shared/ip/ip.ts';
import { ctState } from '../../../shared/nftables/build/conntrack.ts';
import type { Field } from '../../../shared/nftables/build/field.ts';
import { ip6Daddr, ip6Saddr, ipDaddr, ipSaddr } from '../../../shared/nftables/build/field.ts';
import { inSet } from '../../../shared/nftables/build/lookup.ts';
import { iifname, oifname } from '../../../shared/nftables/build/match.ts';
import { rule } from '../../../shared/nftables/build/rule.ts';
import { accept, drop, jump } from '../../../shared/nftables/build/statement.ts';
import type { Chain } from '../../../shared/nftables/model/chain.ts';
import { PRIORITY } from '../../../shared/nftables/model/chain.ts';
import { ipv4Addr, ipv6Addr } from '../../../shared/nftables/model/data-type.ts';
import type { Element } from '../../../shared/nftables/model/element.ts';
import type { RuleLabel } from '../../../shared/nftables/model/rule.ts';
import type { NftSet } from '../../../shared/nftables/model/set.ts';
import type { Table } from '../../../shared/nftables/model/table.ts';
import type { Transaction } from '../../../shared/nftables/transaction.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import { attachmentComment } from '../common/masquerade-rules.ts';
import type { Isolation, ownChains, Wanted } from './config.ts';

export const firewallTable: Table = {
  kind: 'table',
  family: 'inet',
  name: 'underpod_firewall',
  comment: 'pods of CNI networks with the firewall plugin',
};

/** Where packets come by; without a policy, so that one that an administrator sets stays. */
const forward: Chain = {
  ...ownChain('forward'),
  base: { type: 'filter', hook: 'forward', priority: PRIORITY.filter },
};

const isolation = ownChain('isolation');
/** For packets that leave a bridge: no other isolated bridge may take them. */
const isolationOut = ownChain('isolation-out');
const pods = ownChain('pods');
/** A jump to each administrators' chain. */
const admins = ownChain('admins');

/** How many rules the two chains have that are the same on every node. */
const forwardRules = 2;
const podsRules = 5;

export const podSets: { readonly 4: NftSet; readonly 6: NftSet } = {
  4: { kind: 'set', family: 'inet', table: firewallTable.name, name: 'pods4', key: [ipv4Addr] },
  6: { kind: 'set', family: 'inet', table: firewallTable.name, name: 'pods6', key: [ipv6Addr] },
};

/** What is there already: the labels of all rules of the table. */
export interface FirewallState {
  readonly labels: readonly RuleLabel[];
}

/** How the addresses are added: `replace` takes those over that an earlier attachment left behind. */
export type AddMode = 'create' | 'replace';

/**
 * Appends what an attachment is to be given. With mode `create` the transaction fails with EEXIST where an address is
 * there already; then build it anew with `replace`, which makes the close of the socket wait (see KernelNftables).
 */
export function appendFirewall(
  transaction: Transaction,
  { labels }: FirewallState,
  key: AttachmentKey,
  wanted: Wanted,
  mode: AddMode,
): void {
  appendBase(transaction, labels);
  appendAdmin(transaction, labels, wanted.adminChain);
  if (wanted.isolation) appendIsolation(transaction, labels, wanted.isolation);
  for (const address of wanted.addresses) {
    const elements = [elementOf(key, address)];
    const set = podSets[address.family];
    if (mode === 'replace') transaction.addElements(set, elements).deleteElements(set, elements);
    transaction.create({ kind: 'elements', set, elements });
  }
}

/** Appends the removal of elements whose comments match, of those that were listed of both sets. */
export function appendRemoval(
  transaction: Transaction,
  elements: { readonly 4: readonly Element[]; readonly 6: readonly Element[] },
  matches: (comment: string) => boolean,
): void {
  for (const family of [4, 6] as const) {
    const stale: Element[] = [];
    for (const { key, comment } of elements[family])
      if (comment !== undefined && matches(comment)) stale.push({ key });
    if (stale.length > 0) transaction.deleteElements(podSets[family], stale);
  }
}

/** An address as a set's element. */
export function elementOf(key: AttachmentKey, address: Ip): Element {
  return { key: ipToBytes(address), comment: attachmentComment(key) };
}

/** Everything that is the same on every node, written anew where it is not whole. Tables and sets stay. */
function appendBase(transaction: Transaction, labels: readonly RuleLabel[]): void {
  if (count(labels, forward) === forwardRules && count(labels, pods) === podsRules) return;
  transaction.add(firewallTable).add(podSets[4]).add(podSets[6]);
  for (const one of [isolation, isolationOut, admins, pods, forward]) transaction.add(one);
  // What deletes makes the close of the socket wait, so only where there is something.
  if (count(labels, forward) > 0) transaction.flushChain(forward);
  if (count(labels, pods) > 0) transaction.flushChain(pods);
  transaction.add(rule(forward, [jump(isolation.name)])).add(rule(forward, [jump(pods.name)]));
  transaction.add(rule(pods, [jump(admins.name)]));
  const fields: [NftSet, Field, Field][] = [
    [podSets[4], ipDaddr, ipSaddr],
    [podSets[6], ip6Daddr, ip6Saddr],
  ];
  for (const [set, target, source] of fields) {
    const answers = [inSet(target, set.name), ctState('established', 'related'), accept()];
    transaction.add(rule(pods, answers)).add(rule(pods, [inSet(source, set.name), accept()]));
  }
}

function appendAdmin(transaction: Transaction, labels: readonly RuleLabel[], name: string): void {
  if (leaveOne(transaction, labels, admins, name)) return;
  transaction.add(chain(name)).add(rule(admins, [jump(name)], name));
}

function appendIsolation(
  transaction: Transaction,
  labels: readonly RuleLabel[],
  { bridge, isolated }: Isolation,
): void {
  if (!leaveOne(transaction, labels, isolationOut, bridge))
    transaction.add(rule(isolationOut, [oifname(bridge), drop()], bridge));
  if (!leaveOne(transaction, labels, isolation, bridge)) {
    const leaving = [iifname(bridge), oifname(bridge, '!='), jump(isolationOut.name)];
    transaction.add(rule(isolation, leaving, bridge));
  }
  const inner = `${bridge} isolated`;
  if (isolated && !leaveOne(transaction, labels, isolation, inner))
    transaction.add(rule(isolation, [iifname(bridge), oifname(bridge), drop()], inner));
}

/**
 * Whether the chain has the rule. Deletes all but the first of several: ADDs that run at the same time see none of each
 * other's, and each appends its own.
 */
function leaveOne(
  transaction: Transaction,
  labels: readonly RuleLabel[],
  { name }: Chain,
  comment: string,
): boolean {
  let found = false;
  for (const label of labels) {
    if (label.chain !== name || label.comment !== comment) continue;
    if (found) transaction.deleteRules([label]);
    found = true;
  }
  return found;
}

/** What of the wanted rules is missing, as a person would say it; undefined when nothing is. */
export function findMissingRule(labels: readonly RuleLabel[], wanted: Wanted): string | undefined {
  if (count(labels, forward) < forwardRules || count(labels, pods) < podsRules)
    return `the table ${firewallTable.name} is not whole`;
  if (!hasRule(labels, admins, wanted.adminChain))
    return `the chain ${admins.name} has no jump to ${wanted.adminChain}`;
  if (!wanted.isolation) return undefined;
  const { bridge, isolated } = wanted.isolation;
  const whole =
    hasRule(labels, isolation, bridge) &&
    hasRule(labels, isolationOut, bridge) &&
    (!isolated || hasRule(labels, isolation, `${bridge} isolated`));
  return whole ? undefined : `the bridge ${bridge} is not isolated in the table ${firewallTable.name}`;
}

function ownChain(name: (typeof ownChains)[number]): Chain {
  return chain(name);
}

function chain(name: string): Chain {
  return { kind: 'chain', family: 'inet', table: firewallTable.name, name };
}

function count(labels: readonly RuleLabel[], { name }: Chain): number {
  let found = 0;
  for (const label of labels) if (label.chain === name) found++;
  return found;
}

function hasRule(labels: readonly RuleLabel[], { name }: Chain, comment: string): boolean {
  for (const label of labels) if (label.chain === name && label.comment === comment) return true;
  return false;
}
