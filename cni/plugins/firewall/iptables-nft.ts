/**
 * Backend iptables where that is iptables over nf_tables and its chains are there: the pod's own rules by netlink, as
 * iptables-nft would write them. Everything else (chains, the jumps with comments, isolation, legacy iptables) is left
 * to the programs, which take 5 ms a family.
 */

import type { Ip } from '../../../shared/ip/ip.ts';
import { ipToBytes } from '../../../shared/ip/ip.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { isNetlinkError } from '../../../shared/netlink/error.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { dumpRules } from '../../../shared/nftables/codec/request.ts';
import { readRule } from '../../../shared/nftables/codec/rule.ts';
import { NftError } from '../../../shared/nftables/error.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { Rule } from '../../../shared/nftables/model/rule.ts';
import { Transaction } from '../../../shared/nftables/transaction.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import { hasLegacyTable } from '../common/iptables/legacy-table.ts';
import { leaveCloseToChild } from '../common/leave-close.ts';
import { filterTable, findPodRules, isPlainJump, podChain, podRulesInNft } from './iptables-nft-rules.ts';

/** Accepts the addresses, all of one family. @returns false where the programs have to do it */
export function addToIptablesNft(family: 4 | 6, addresses: readonly Ip[], adminChain: string): boolean {
  const plan = (socket: NetlinkSocket): Transaction | undefined => {
    const table = filterTable(family);
    const pods = new RawRules(socket, table, podChain);
    const forward = new RawRules(socket, table, 'FORWARD');
    if (!forward.hasJump(podChain) || !pods.hasJump(adminChain)) return undefined;
    const transaction = new Transaction();
    for (const address of addresses) {
      const found = findPodRules(pods.holding(ipToBytes(address)), address);
      if (found === undefined) return undefined;
      const rules = podRulesInNft(address);
      for (const index of [0, 1] as const) if (found[index].length === 0) transaction.add(rules[index]);
    }
    return transaction;
  };
  return withNft(family, plan, () => {});
}

/** Removes what accepts the addresses, all of one family. @returns false where the programs have to do it */
export function delFromIptablesNft(family: 4 | 6, addresses: readonly Ip[]): boolean {
  const plan = (socket: NetlinkSocket): Transaction | undefined => {
    const pods = new RawRules(socket, filterTable(family), podChain);
    const transaction = new Transaction();
    for (const address of addresses) {
      const found = findPodRules(pods.holding(ipToBytes(address)), address);
      if (found === undefined) return undefined;
      for (const { family: nfFamily, table, chain, handle } of [...found[0], ...found[1]])
        if (handle !== undefined) transaction.deleteRule({ family: nfFamily, table, chain, handle });
    }
    return transaction;
  };
  return withNft(family, plan, leaveCloseToChild);
}

function withNft(
  family: 4 | 6,
  plan: (socket: NetlinkSocket) => Transaction | undefined,
  close: (nft: KernelNftables) => void,
): boolean {
  if (hasLegacyTable(family, 'filter')) return false;
  let nft: KernelNftables | undefined;
  try {
    const socket = NetlinkSocket.open(NETLINK.NETFILTER);
    nft = new KernelNftables(socket);
    const transaction = plan(socket);
    if (transaction === undefined) return false;
    if (transaction.isEmpty) return true;
    nft.run(transaction);
    // Only what changed something waits at its close.
    close(nft);
    return true;
  } catch (error) {
    // A chain or rule that has just gone, a kernel without nf_tables or its xt matches: the programs know more.
    if (error instanceof NftError || isNetlinkError(error) || isErrno(error, 'EPROTONOSUPPORT')) return false;
    throw error;
  } finally {
    nft?.[Symbol.dispose]();
  }
}

/**
 * The rules of a chain as the kernel sent them. To decode hundreds would take longer than the programs do, so only those
 * are that hold certain bytes.
 */
class RawRules {
  readonly #payloads: readonly Uint8Array[];
  readonly #texts: string[] = [];

  constructor(socket: NetlinkSocket, table: ReturnType<typeof filterTable>, chain: string) {
    const payloads: Uint8Array[] = [];
    for (const { payload } of dumpIfExists(socket, table, chain)) {
      payloads.push(payload);
      this.#texts.push(bytesAsText(payload));
    }
    this.#payloads = payloads;
  }

  holding(bytes: Uint8Array): Rule[] {
    const wanted = bytesAsText(bytes);
    const rules: Rule[] = [];
    for (let index = 0; index < this.#texts.length; index++)
      if (this.#texts[index]?.includes(wanted)) rules.push(readRule(this.#payloads[index] as Uint8Array));
    return rules;
  }

  hasJump(chain: string): boolean {
    for (const rule of this.holding(new TextEncoder().encode(`${chain}\0`)))
      if (isPlainJump(rule, chain)) return true;
    return false;
  }
}

function dumpIfExists(
  socket: NetlinkSocket,
  table: ReturnType<typeof filterTable>,
  chain: string,
): ReturnType<NetlinkSocket['dump']> {
  try {
    return socket.dump(dumpRules(table, chain));
  } catch (error) {
    if (isNetlinkError(error, 'ENOENT')) return [];
    throw error;
  }
}

/** A character for each byte, so that the runtime's own search does the work. */
function bytesAsText(bytes: Uint8Array): string {
  return new TextDecoder('latin1').decode(bytes);
}
