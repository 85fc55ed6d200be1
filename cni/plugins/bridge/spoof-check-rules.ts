/**
 * How the rules of `macspoofchk` look: upstream 1.9.1's table, chains and comments, so that either cleans up after the
 * other. Pure.
 *
 * A port's frames jump from the base chain to a chain of the attachment, and from there to a second one, which returns
 * those with the right source address and drops the others.
 */

import { iifname } from '../../../shared/nftables/build/match.ts';
import type { Part } from '../../../shared/nftables/build/rule.ts';
import { rule } from '../../../shared/nftables/build/rule.ts';
import { drop, jump, raw, returns } from '../../../shared/nftables/build/statement.ts';
import type { Chain, ChainRef } from '../../../shared/nftables/model/chain.ts';
import { PRIORITY } from '../../../shared/nftables/model/chain.ts';
import type { RuleLabel } from '../../../shared/nftables/model/rule.ts';
import type { Table } from '../../../shared/nftables/model/table.ts';
import { Transaction } from '../../../shared/nftables/transaction.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import { attachmentAlias, attachmentHash, sha256 } from '../common/attachment.ts';

export const spoofTable: Table = { kind: 'table', family: 'bridge', name: 'nat' };

/** Where frames come by on their way into bridges. Upstream leaves table and chain behind, and so do we. */
export const prerouting: Chain = {
  kind: 'chain',
  family: 'bridge',
  table: spoofTable.name,
  name: 'PREROUTING',
  // Its number is the one of ebtables' broute and nat tables, before which nothing looks at a frame.
  base: { type: 'filter', hook: 'prerouting', priority: PRIORITY.raw, policy: 'accept' },
};

/** NFT_COMMENT_MAX of the nft command, and NFT_NAME_MAXLEN less its NUL byte (linux/netfilter/nf_tables.h). */
const [maxCommentBytes, maxNameBytes] = [128, 255];

export const chainPrefix = 'cni-br-iface-';
export const macSuffix = '-mac';
const commentPrefix = 'macspoofchk-';

/** What both chains are called after; a hash where the names would be too long for the kernel, as upstream's would. */
function reference(key: AttachmentKey): string {
  const plain = `${key.containerId}-${key.ifname}`;
  return chainPrefix.length + plain.length + macSuffix.length <= maxNameBytes ? plain : attachmentHash(key);
}

/** The attachment's first chain. */
export function interfaceChain(key: AttachmentKey): ChainRef {
  return chain(`${chainPrefix}${reference(key)}`);
}

/** The chain that a first chain of that name jumps to. */
export function macChain(of: ChainRef): ChainRef {
  return chain(`${of.name}${macSuffix}`);
}

/** The comment of the attachment's rules, by which upstream finds the one in the base chain. */
export function spoofComment(key: AttachmentKey): string {
  return `${commentPrefix}${reference(key)}`.slice(0, maxCommentBytes);
}

/**
 * The comment of the first chain of ours: the alias of the attachment's interface, for nothing else there says which
 * network it is of and where the container's id ends. nft prints it, and upstream does not look at it. One that would be
 * too long names the network alone.
 */
export function chainComment(key: AttachmentKey): string {
  const alias = attachmentAlias(key);
  return new TextEncoder().encode(alias).length <= maxCommentBytes ? alias : shortComment(key.network);
}

/** The comment of chains whose attachment it does not tell. */
export function shortComment(network: string): string {
  return `underpod:#${sha256(network)}`;
}

/**
 * Allows frames of `port` with the source address `mac` only. What an ADD that was killed has left of the chains is
 * written anew.
 */
export function addSpoofCheck(key: AttachmentKey, port: string, mac: Uint8Array): Transaction {
  const [first, second] = [interfaceChain(key), macChain(interfaceChain(key))];
  const comment = spoofComment(key);
  return new Transaction()
    .add(spoofTable)
    .add(prerouting)
    .add({ kind: 'chain', ...first, comment: chainComment(key) })
    .add({ kind: 'chain', ...second })
    .flushChain(first)
    .flushChain(second)
    .add(rule(prerouting, [iifname(port), jump(first.name)], comment))
    .add(rule(first, [jump(second.name)], comment))
    .add(rule(second, [sourceMac(mac), returns()], comment))
    .add(rule(second, [drop()], comment));
}

/** Removes chains, and before them the rules of the base chain that lead there. */
export function deleteSpoofChecks(jumps: readonly RuleLabel[], chains: readonly ChainRef[]): Transaction {
  const transaction = new Transaction();
  for (const { family, table, chain: name, handle } of jumps)
    transaction.deleteRule({ family, table, chain: name, handle });
  for (const one of chains) transaction.destroyChain(one);
  // Those that are jumped to come last.
  for (const one of chains) transaction.destroyChain(macChain(one));
  return transaction;
}

/** `ether saddr`: bytes 6 to 11 of the Ethernet header (IEEE 802.3 section 3.1.1). */
function sourceMac(mac: Uint8Array): Part {
  return raw(
    { kind: 'payload', base: 'link', offset: 6, length: 6, dest: 0 },
    { kind: 'cmp', source: 0, op: '==', value: mac },
  );
}

function chain(name: string): ChainRef {
  return { family: spoofTable.family, table: spoofTable.name, name };
}
