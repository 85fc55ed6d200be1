/**
 * Tells when somebody else changes a table of ours. Every transaction is announced with the port of the socket that made
 * it: the kernel leaves out our own before they are queued, so that loading a quarter of a million elements does not
 * overrun the monitor.
 */

import { attributeOf } from '../netlink/codec/attribute-of.ts';
import type { NlMessage } from '../netlink/codec/message.ts';
import { NETLINK } from '../netlink/codec/message.ts';
import { NetlinkMonitor } from '../netlink/monitor.ts';
import type { OwnedFd } from '../sys/fd.ts';
import type { FilterInstruction } from '../sys/socket-filter.ts';
import { NFGENMSG_SIZE, NFT_MSG, SUBSYSTEM } from './codec/message.ts';
import { FAMILY_NUMBERS } from './model/family.ts';
import type { TableRef } from './model/table.ts';

/** NFNLGRP_NFTABLES of linux/netfilter/nfnetlink.h. */
const GROUP = 7;

/** NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE, NFTA_SET_TABLE, NFTA_SET_ELEM_LIST_TABLE: always the first. */
const TABLE = 1;

/** NFTA_CHAIN_NAME and NFTA_RULE_CHAIN. */
const CHAIN: Readonly<Record<number, number>> = {
  [NFT_MSG.NEWCHAIN]: 3,
  [NFT_MSG.DELCHAIN]: 3,
  [NFT_MSG.NEWRULE]: 2,
  [NFT_MSG.DELRULE]: 2,
};

/** BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JEQ | BPF_K and BPF_RET | BPF_K of linux/bpf_common.h. */
const BPF = { LOAD_WORD: 0x20, JUMP_EQUAL: 0x15, RETURN: 0x06 } as const;

/** Offset of nlmsg_pid in struct nlmsghdr (linux/netlink.h). */
const PORT_OFFSET = 12;

/** As much of a datagram as there is. */
const ALL = 0xffff_ffff;

/** What somebody did: NFT_MSG.NEWRULE, DELCHAIN, …. */
export interface ForeignChange {
  readonly type: number;
  readonly table: string;
  /** Of a chain or a rule. */
  readonly chain?: string;
}

export interface ForeignChangesOptions {
  readonly tables: readonly TableRef[];
  /** Which changes of them matter; by default all. */
  readonly concerns?: (change: ForeignChange) => boolean;
  /**
   * `KernelNftables.portId` of every socket whose transactions are ours. At most 200. Others from some moment on:
   * `setFilter(notFrom(ports))`.
   */
  readonly ownPorts: readonly number[];
  /** By default the calling thread's namespace. It must stay open as long as the watch. */
  readonly netns?: OwnedFd;
  /** Somebody changed one of the tables, or may have: announcements were lost. Called once for each time of reading. */
  readonly onChange: () => void;
  /** The watch could not be kept up and has ended. */
  readonly onError: (error: unknown) => void;
}

/** @throws SyscallError when the socket cannot be opened */
export async function watchForeignChanges(options: ForeignChangesOptions): Promise<NetlinkMonitor> {
  const { tables, concerns = () => true, ownPorts, netns, onChange, onError } = options;
  return await NetlinkMonitor.open({
    protocol: NETLINK.NETFILTER,
    groups: [GROUP],
    filter: notFrom(ownPorts),
    ...(netns && { netns }),
    onMessages: (messages) => {
      if (messages.some((message) => changesOne(message, tables, concerns))) onChange();
    },
    onResync: onChange,
    onError,
  });
}

/** Lets through what no socket of these ports made. A datagram holds announcements of one transaction. */
export function notFrom(ports: readonly number[]): FilterInstruction[] {
  const compare = ports.map((port, at): FilterInstruction => {
    // Loaded as if it were in network order.
    const swapped = new DataView(new ArrayBuffer(4));
    swapped.setUint32(0, port, true);
    return { code: BPF.JUMP_EQUAL, k: swapped.getUint32(0), jt: ports.length - at, jf: 0 };
  });
  return [
    { code: BPF.LOAD_WORD, k: PORT_OFFSET },
    ...compare,
    { code: BPF.RETURN, k: ALL },
    { code: BPF.RETURN, k: 0 },
  ];
}

/** Whether an announcement is about one of the tables, or about something in it; of foreign ones little is decoded. */
function changesOne(
  { type, payload }: NlMessage,
  tables: readonly TableRef[],
  concerns: (change: ForeignChange) => boolean,
): boolean {
  const kind = type & 0xff;
  if (type >>> 8 !== SUBSYSTEM || kind === NFT_MSG.NEWGEN) return false;
  const text = (attribute: number): string | undefined => {
    // A NUL closes it.
    const bytes = attributeOf(payload, NFGENMSG_SIZE, attribute);
    return bytes && new TextDecoder().decode(bytes.subarray(0, -1));
  };
  const table = text(TABLE);
  if (!tables.some(({ family, name }) => payload[0] === FAMILY_NUMBERS[family] && table === name))
    return false;
  const attribute = CHAIN[kind];
  const chain = attribute === undefined ? undefined : text(attribute);
  return concerns({ type: kind, table: table ?? '', ...(chain !== undefined && { chain }) });
}
