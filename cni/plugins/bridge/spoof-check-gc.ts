/** GC of the rules of `macspoofchk`. */

import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { ChainRef } from '../../../shared/nftables/model/chain.ts';
import type { Rule } from '../../../shared/nftables/model/rule.ts';
import { attachmentHash } from '../common/attachment.ts';
import type { Keep } from '../common/keep.ts';
import { readLink } from '../common/links.ts';
import { openIfSupported } from './spoof-check.ts';
import {
  chainPrefix,
  deleteSpoofChecks,
  interfaceChain,
  macSuffix,
  networkComment,
  prerouting,
  spoofTable,
} from './spoof-check-rules.ts';

/** The chain of one attachment, with the rules of the base chain that lead there. */
interface Found {
  readonly chain: ChainRef;
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
      if (claimOwners(network, one.chain.name, keep, claims)) stale.push(one);
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
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'remove rules against spoofed MAC addresses');
  };
}

function list(network: string): Found[] {
  using nft = openIfSupported();
  if (!nft) return [];
  const mine = networkComment(network);
  using host = NetlinkSocket.open(NETLINK.ROUTE);
  const rules = nft.listRules(spoofTable, prerouting.name);
  const found: Found[] = [];
  for (const chain of nft.listChains(spoofTable)) {
    if (!chain.name.startsWith(chainPrefix) || chain.name.endsWith(macSuffix)) continue;
    const jumps = rules.filter((rule) => targetOf(rule) === chain.name);
    if (chain.comment === undefined ? isOrphan(host, jumps) : chain.comment === mine)
      found.push({ chain: { family: chain.family, table: chain.table, name: chain.name }, jumps });
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

/**
 * Takes the locks of all attachments that a chain may be of: a name does not say where the container's id ends, for both
 * parts may hold hyphens. False when one is being added. (A hash has none; then the list of what is kept is enough.)
 */
function claimOwners(network: string, chain: string, keep: Keep, claims: DisposableStack): boolean {
  const reference = chain.slice(chainPrefix.length);
  for (let at = reference.indexOf('-', 1); at > 0; at = reference.indexOf('-', at + 1)) {
    const [containerId, ifname] = [reference.slice(0, at), reference.slice(at + 1)];
    const claim = keep.claimHash(attachmentHash({ network, containerId, ifname }));
    if (!claim) return false;
    claims.use(claim);
  }
  return true;
}
