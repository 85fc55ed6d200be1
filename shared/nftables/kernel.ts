import type { NlMessage } from '../netlink/codec/message.ts';
import { NetlinkError } from '../netlink/error.ts';
import type { NetlinkRequest } from '../netlink/request.ts';
import { NetlinkSocket } from '../netlink/socket.ts';
import { errnoName, SyscallError } from '../sys/errno.ts';
import type { Fd, OwnedFd } from '../sys/fd.ts';
import { readChain } from './codec/chain.ts';
import type { RawElement } from './codec/element.ts';
import { readElements, readPacked } from './codec/elements.ts';
import { readGeneration } from './codec/generation.ts';
import { fromRaw } from './codec/interval.ts';
import {
  dumpChains,
  dumpElements,
  dumpRules,
  dumpSets,
  dumpTables,
  findElement,
  findRule,
  getGeneration,
} from './codec/request.ts';
import { readRule } from './codec/rule.ts';
import { readRuleLabel } from './codec/rule-label.ts';
import { readSet } from './codec/set.ts';
import { readTable } from './codec/table.ts';
import { encodeTransaction, messageBound, newRule } from './codec/transaction.ts';
import { describe } from './describe.ts';
import { isNotFound, NftError } from './error.ts';
import type { Chain } from './model/chain.ts';
import type { Element } from './model/element.ts';
import type { Family } from './model/family.ts';
import type { Rule, RuleLabel, RuleRef } from './model/rule.ts';
import type { NftMap, NftSet } from './model/set.ts';
import type { Table, TableRef } from './model/table.ts';
import type { CommentMatch, Nftables } from './nftables.ts';
import type { Transaction } from './transaction.ts';

/** NETLINK_NETFILTER (linux/netlink.h). */
const NETLINK_NETFILTER = 12;

/** How often a list is read that comes out inconsistent. A table of 250,000 elements is rebuilt before the second. */
const LIST_TRIES = 10;

/** Rules that are decoded in the 0.2 ms which the first use of a Buffer takes. */
const FEW_RULES = 16;

/** The kernel's nf_tables in one network namespace, over a netlink socket of its own. */
export class KernelNftables implements Nftables, Disposable {
  readonly #socket: NetlinkSocket;

  /** Takes ownership of `socket`. */
  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /**
   * Opens the packet filter of a namespace, by default the calling thread's.
   * @throws SyscallError EPROTONOSUPPORT when the kernel has no nfnetlink
   */
  static open(options: { readonly netns?: OwnedFd } = {}): KernelNftables {
    return new KernelNftables(NetlinkSocket.open(NETLINK_NETFILTER, options));
  }

  /** The socket's port: the kernel's announcements of a new generation carry it, so a monitor knows its own. */
  get portId(): number {
    return this.#socket.portId;
  }

  /** The socket's descriptor, still owned by this object; undefined with a scripted transport. */
  get fd(): Fd | undefined {
    return this.#socket.fd;
  }

  run(transaction: Transaction, made?: RuleLabel[], generation?: number): void {
    const first = this.#socket.takeSequence(messageBound(transaction));
    const { bytes, operations } = encodeTransaction(transaction, first, made !== undefined, generation);
    if (bytes.length === 0) return;
    const answers = this.#exchange(bytes, first, operations.length);
    let finished = false;
    for (let index = 0; index < answers.length; index++) {
      const acknowledgement = answers[index]?.acknowledgement;
      if (acknowledgement === undefined) continue;
      const { errno, message } = acknowledgement;
      if (errno === 0) {
        finished = true;
        continue;
      }
      const operation = transaction.operations[operations[index] ?? -1];
      const what = operation === undefined ? 'commit a transaction' : describe(operation);
      throw new NftError(what, errnoName(errno), { operation, kernelMessage: message });
    }
    if (!finished) throw new NftError('commit a transaction: no answer from the kernel', 'EIO');
    if (!made) return;
    // The new generation is announced as well.
    for (const { replies } of answers)
      for (const { type, payload } of replies) if (type === newRule) made.push(readRuleLabel(payload));
  }

  listTables(family?: Family): Table[] {
    return this.#dump(dumpTables(family), readTable);
  }

  listChains(table: TableRef): Chain[] {
    return this.#dump(dumpChains(table.family), readChain).filter((chain) => chain.table === table.name);
  }

  listRules(table: TableRef, chain?: string): Rule[] {
    return this.#dump(dumpRules(table, chain), readRule);
  }

  listRuleLabels(
    table: TableRef,
    chain?: string,
    comment?: string,
    match: CommentMatch = 'whole',
  ): RuleLabel[] {
    if (comment === undefined) return this.#dump(dumpRules(table, chain), readRuleLabel);
    const start = match === 'start';
    // One that is compared as a whole ends its message, and is found without a search.
    const wanted = new TextEncoder().encode(start ? comment : `${comment}\0`);
    const found: RuleLabel[] = [];
    const messages = this.#messages(dumpRules(table, chain));
    const search = messages.length > FEW_RULES;
    for (const { payload } of messages) {
      if (start ? search && !mayHold(payload, wanted) : !mayEndWith(payload, wanted)) continue;
      const label = readRuleLabel(payload);
      if (start ? label.comment?.startsWith(comment) : label.comment === comment) found.push(label);
    }
    return found;
  }

  findRuleLabels(refs: readonly RuleRef[]): (RuleLabel | undefined)[] {
    const requests: NetlinkRequest[] = [];
    for (const ref of refs) requests.push(findRule(ref));
    const found: (RuleLabel | undefined)[] = [];
    for (const { error, replies } of this.#socket.transact(requests)) {
      if (error && error.code !== 'ENOENT') throw toNftError(error);
      found.push(replies[0] && readRuleLabel(replies[0].payload));
    }
    return found;
  }

  listSets(table: TableRef): (NftSet | NftMap)[] {
    return this.#dump(dumpSets(table), readSet);
  }

  /**
   * The kernel goes through a set's hash table anew for each part of the list, by the number of elements listed so far.
   * When it rebuilds the table meanwhile, as it does for a while after many elements were added to a set without a
   * fixed `size`, some come twice and as many not at all; nothing in the answers says so. Such a list is read again.
   */
  listElements(set: NftSet | NftMap): Element[] {
    for (let tries = 0; tries < LIST_TRIES; tries++) {
      const raw: RawElement[] = [];
      for (const { payload } of this.#messages(dumpElements(set))) readElements(payload, raw);
      if (set.interval || !hasTwins(raw)) return fromRaw(set, raw);
    }
    throw restless(set);
  }

  listPacked(set: NftSet | NftMap): Map<string, string> {
    for (let tries = 0; tries < LIST_TRIES; tries++) {
      const elements = new Map<string, string>();
      let count = 0;
      for (const { payload } of this.#messages(dumpElements(set))) count += readPacked(payload, elements);
      // As in `listElements`: what came twice stands for what did not come.
      if (elements.size === count) return elements;
    }
    throw restless(set);
  }

  findElement(set: NftSet | NftMap, key: Uint8Array): Element | undefined {
    const raw: RawElement[] = [];
    try {
      for (const { payload } of asNftError(() => this.#socket.request(findElement(set, key)))) {
        readElements(payload, raw);
      }
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
    return raw[0];
  }

  getGeneration(): number {
    const [reply] = asNftError(() => this.#socket.request(getGeneration()));
    if (reply === undefined) throw new NftError('get the generation of nf_tables: no answer', 'EIO');
    return readGeneration(reply.payload);
  }

  /**
   * Closing waits until the kernel has freed what transactions of this namespace deleted or replaced, an RCU grace
   * period of 5 to 25 ms (nft_rcv_nl_event of net/netfilter/nf_tables_api.c); the end of the process waits alike. After
   * transactions that only add it takes 10 µs. So do not delete on a path that must be quick, or do it early and close
   * late, with other work in between.
   */
  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  #dump<T>(request: NetlinkRequest, read: (payload: Uint8Array) => T): T[] {
    const objects: T[] = [];
    for (const { payload } of this.#messages(request)) objects.push(read(payload));
    return objects;
  }

  /** The answers to a dump; none when what was to be listed does not exist, as where the kernel has no nf_tables. */
  #messages(request: NetlinkRequest): readonly NlMessage[] {
    try {
      return asNftError(() => this.#socket.dump(request));
    } catch (error) {
      if (isNotFound(error) || (isUnknown(error) && this.#isAbsent())) return [];
      throw error;
    }
  }

  /** Whether the kernel has nfnetlink without nf_tables: then it does not know the simplest of requests either. */
  #isAbsent(): boolean {
    try {
      this.getGeneration();
      return false;
    } catch (error) {
      return isUnknown(error);
    }
  }

  #exchange(bytes: Uint8Array, first: number, count: number): ReturnType<NetlinkSocket['exchange']> {
    try {
      return this.#socket.exchange(bytes, first, count);
    } catch (error) {
      if (error instanceof NetlinkError)
        throw new NftError('run a transaction: its outcome is not known', error.code, { cause: error });
      if (!(error instanceof SyscallError)) throw error;
      const why = error.code === 'EMSGSIZE' ? ': raise net.core.wmem_max or give CAP_NET_ADMIN' : '';
      throw new NftError(`send a transaction of ${bytes.length} bytes${why}`, error.code, { cause: error });
    }
  }
}

function restless({ family, table, name }: NftSet | NftMap): NftError {
  return new NftError(`list elements of ${family} ${table} ${name}: the set kept changing`, 'EINTR');
}

/** Errors of the socket as errors of nf_tables. */
function asNftError<T>(ask: () => T): T {
  try {
    return ask();
  } catch (error) {
    throw error instanceof NetlinkError ? toNftError(error) : error;
  }
}

function toNftError(error: NetlinkError): NftError {
  return new NftError(error.request, error.code, { kernelMessage: error.kernelMessage, cause: error });
}

/** How nfnetlink answers a request for which it has nobody: EINVAL (nfnetlink_rcv_msg), EOPNOTSUPP with imitations of it. */
function isUnknown(error: unknown): boolean {
  return error instanceof NftError && (error.code === 'EINVAL' || error.code === 'EOPNOTSUPP');
}

/** By the runtime's own search: a thousand rules take it a millisecond, and code that is not compiled yet a dozen. */
function mayHold(payload: Uint8Array, wanted: Uint8Array): boolean {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).includes(wanted);
}

/** A rule's comment is the last thing in its message, before up to three bytes of padding. */
function mayEndWith(payload: Uint8Array, wanted: Uint8Array): boolean {
  for (let padding = 0; padding < 4; padding++) {
    const end = payload.length - padding;
    let length = 0;
    while (length < wanted.length && payload[end - 1 - length] === wanted[wanted.length - 1 - length])
      length++;
    if (length === wanted.length) return true;
  }
  return false;
}

/** Whether two of the elements have the same key. */
function hasTwins(elements: readonly RawElement[]): boolean {
  const keys = new Set<string>();
  for (const { key } of elements) keys.add(key.toHex());
  return keys.size !== elements.length;
}
