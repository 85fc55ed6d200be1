/** GC of the rules of `macspoofchk`. */

import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { isBusy } from '../../../shared/nftables/error.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { ChainRef } from '../../../shared/nftables/model/chain.ts';
import type { Rule } from '../../../shared/nftables/model/rule.ts';
import type { AliasOwner } from '../common/attachment.ts';
import { attachmentHash, readAlias } from '../common/attachment.ts';
import type { Keep } from '../common/keep.ts';
import { readLink } from '../common/links.ts';
import { openIfSupported } from '../common/remove-rules.ts';
import {
  chainPrefix,
  deleteSpoofChecks,
  interfaceChain,
  macSuffix,
  prerouting,
  shortComment,
  spoofTable,
} from './spoof-check-rules.ts';

/** The chain of one attachment, with the rules of the base chain that lead there. */
interface Found {
  readonly chain: ChainRef;
  /** Undefined for upstream's, and where the comment does not tell. Then the list of what is kept has to be enough. */
  readonly owner: AliasOwner | undefined;
  readonly jumps: readonly Rule[];
}

/**
 * GC, first half: lists the network's chains. Ours say which network they are of. Upstream's do not: of those only such
 * as look at an interface that is gone are taken, which belong to nobody any more. (Upstream makes the interface before
 * the rules, so what is listed without one has lost it.)
 *
 * The function it returns removes those not to be kept by then.
 */
export function prepareGcMacSpoofCheck(network: string): (keep: Keep) => void {
  const found = list(network);
  return (keep) => {
    if (found.length === 0) return;
    const kept = new Set(keep.attachments.map((one) => interfaceChain({ network, ...one }).name));
    using claims = new DisposableStack();
    const stale: Found[] = [];
    for (const one of found) {
      if (kept.has(one.chain.name)) continue;
      if (one.owner) {
        const { owner } = one;
        const hash = owner.kind === 'hashed' ? owner.hash : attachmentHash({ network, ...owner });
        const claim = keep.hasHash(hash) ? undefined : keep.claimHash(hash);
        if (!claim) continue;
        claims.use(claim);
      }
      stale.push(one);
    }
    if (stale.length === 0) return;
    using nft = KernelNftables.open();
    // One by one: what is gone already, or in use again, must not keep the others.
    const errors: unknown[] = [];
    for (const { chain, jumps } of stale) {
      try {
        const present = new Set(nft.listRuleLabels(spoofTable, prerouting.name).map(({ handle }) => handle));
        const labels = jumps.flatMap(({ kind: _, handle, ...rest }) =>
          handle !== undefined && present.has(handle) ? [{ ...rest, handle }] : [],
        );
        nft.run(deleteSpoofChecks(labels, [chain]));
      } catch (error) {
        // An ADD has just made the chain its own: frames are led there again.
        if (!isBusy(error)) errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'remove rules against spoofed MAC addresses');
  };
}

function list(network: string): Found[] {
  using nft = openIfSupported();
  if (!nft) return [];
  using host = NetlinkSocket.open(NETLINK.ROUTE);
  const rules = nft.listRules(spoofTable, prerouting.name);
  const found: Found[] = [];
  for (const chain of nft.listChains(spoofTable)) {
    if (!chain.name.startsWith(chainPrefix) || chain.name.endsWith(macSuffix)) continue;
    const jumps = rules.filter((rule) => targetOf(rule) === chain.name);
    const owner = readAlias(network, chain.comment);
    const isOurs = owner !== undefined || chain.comment === shortComment(network);
    if (isOurs || (chain.comment === undefined && isOrphan(host, jumps)))
      found.push({ chain: { family: chain.family, table: chain.table, name: chain.name }, owner, jumps });
  }
  return found;
}

function isOrphan(host: NetlinkSocket, jumps: readonly Rule[]): boolean {
  return jumps.length > 0 && jumps.every((rule) => readLink(host, { name: portOf(rule) }) === undefined);
}

function targetOf({ expressions }: Rule): string | undefined {
  for (const one of expressions)
    if (one.kind === 'verdict' && one.verdict.code === 'jump') return one.verdict.chain;
  return undefined;
}

/** The interface's name that a rule compares with. '' for a rule that does not. */
function portOf({ expressions }: Rule): string {
  for (const one of expressions) {
    if (one.kind !== 'cmp') continue;
    const end = one.value.indexOf(0);
    return new TextDecoder().decode(end < 0 ? one.value : one.value.subarray(0, end));
  }
  return '';
}
