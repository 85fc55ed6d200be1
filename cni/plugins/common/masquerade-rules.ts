/**
 * How a pod's masquerade rule looks: upstream 1.9.1's table, chains and comments, so that either cleans up after the
 * other. Pure.
 *
 * Each rule's comment begins with `<network>-<attachment>`, two hashes of 16 hex digits: DEL and GC know their rules
 * by it and never by address, which may be another pod's by then.
 */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { networkOf } from '../../../shared/ip/cidr.ts';
import { daddr, saddr } from '../../../shared/nftables/build/address.ts';
import { rule } from '../../../shared/nftables/build/rule.ts';
import { goTo, masquerade, returns } from '../../../shared/nftables/build/statement.ts';
import type { Chain, ChainRef } from '../../../shared/nftables/model/chain.ts';
import { PRIORITY } from '../../../shared/nftables/model/chain.ts';
import type { Table } from '../../../shared/nftables/model/table.ts';
import type { Transaction } from '../../../shared/nftables/transaction.ts';
import type { AttachmentKey } from './attachment.ts';

export const masqueradeTable: Table = {
  kind: 'table',
  family: 'inet',
  name: 'cni_plugins_masquerade',
  comment: 'pods of CNI networks with ipMasq',
};

/** Where the pods' rules are. */
export const podChain: ChainRef = { family: 'inet', table: masqueradeTable.name, name: 'masq_checks' };

/** Where packets come by on their way out; it sends them through the pods' rules. */
export const postrouting: Chain = {
  kind: 'chain',
  family: 'inet',
  table: masqueradeTable.name,
  name: 'postrouting',
  base: { type: 'nat', hook: 'postrouting', priority: PRIORITY.srcnat },
};

/** Multicast stays as it is: pods may talk to each other by it. RFC 1112, RFC 4291. */
const multicast: readonly Cidr[] = [
  { ip: { family: 4, value: 0xe000_0000n }, prefix: 4 },
  { ip: { family: 6, value: 0xffn << 120n }, prefix: 8 },
];

/** NFT_COMMENT_MAX of the nft command: bytes of a comment. */
const maxCommentBytes = 128;

const hashDigits = 16;

/** What the comments of all rules of a network begin with. */
export function networkCommentPrefix(network: string): string {
  return `${shortHash(network)}-`;
}

/** What the comments of an attachment's rules begin with. */
export function attachmentCommentPrefix(key: AttachmentKey): string {
  return `${networkCommentPrefix(key.network)}${shortHash(`${key.ifname}:${key.containerId}`)}`;
}

/** The comment of an attachment's rules: hashes for programs, names for people, cut where nft would refuse it. */
export function attachmentComment(key: AttachmentKey): string {
  let names = `net: ${key.network}, if: ${key.ifname}, id: ${key.containerId}`;
  if (names.includes('"')) names = names.replaceAll('"', '');
  return cutBytes(`${attachmentCommentPrefix(key)}, ${names}`, maxCommentBytes);
}

/** The attachment that a comment names, or undefined where it was cut or is none of this network's. */
export function readComment(network: string, comment: string): AttachmentKey | undefined {
  const match = /, if: (.+), id: ([^,\s]+)$/.exec(comment);
  if (!match?.[1] || !match[2]) return undefined;
  const key = { network, ifname: match[1], containerId: match[2] };
  return comment.startsWith(`${attachmentCommentPrefix(key)},`) ? key : undefined;
}

/** How many rules the base chain has when it is whole: one a multicast network and the way to the pods' rules. */
export const baseRuleCount: number = multicast.length + 1;

/** Makes the table what it must be, whatever became of it. */
export function appendBase(transaction: Transaction): void {
  transaction
    .add(masqueradeTable)
    .add({ kind: 'chain', ...podChain, comment: 'masquerade what leaves the subnet of a pod' })
    .add(postrouting)
    .flushChain(postrouting);
  for (const network of multicast) transaction.add(rule(postrouting, [daddr(network), returns()]));
  transaction.add(rule(postrouting, [goTo(podChain.name)]));
}

/** Adds a rule for each address: what leaves the address's subnet is masqueraded. The chain must be there. */
export function appendPodRules(
  transaction: Transaction,
  key: AttachmentKey,
  addresses: readonly Cidr[],
): void {
  const comment = attachmentComment(key);
  for (const address of addresses) {
    const outside = daddr(networkOf(address), '!=');
    transaction.add(rule(podChain, [saddr(address.ip), outside, masquerade()], comment));
  }
}

/** Hex digits of a text's SHA-512, which upstream makes its names of. */
export function sha512(text: string): string {
  return Bun.CryptoHasher.hash('sha512', text, 'hex');
}

function shortHash(text: string): string {
  return sha512(text).slice(0, hashDigits);
}

function cutBytes(text: string, limit: number): string {
  const bytes = new TextEncoder().encode(text);
  // Cut in the middle of a character, the rest of it is left out.
  return bytes.length <= limit
    ? text
    : new TextDecoder().decode(bytes.subarray(0, limit)).replace(/\uFFFD+$/, '');
}
