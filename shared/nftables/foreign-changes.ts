/**
 * Tells when somebody else changes a table of ours. Every transaction is announced with the port of the socket that made
 * it: the kernel leaves out our own before they are queued, so that loading a quarter of a million elements does not
 * overrun the monitor.
 */

import type { NlMessage } from '../netlink/codec/message.ts';
import { NETLINK } from '../netlink/codec/message.ts';
import { u16 } from '../netlink/codec/read.ts';
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

/** BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JEQ | BPF_K and BPF_RET | BPF_K of linux/bpf_common.h. */
const BPF = { LOAD_WORD: 0x20, JUMP_EQUAL: 0x15, RETURN: 0x06 } as const;

/** Offset of nlmsg_pid in struct nlmsghdr (linux/netlink.h). */
const PORT_OFFSET = 12;

/** As much of a datagram as there is. */
const ALL = 0xffff_ffff;

export interface ForeignChangesOptions {
  readonly tables: readonly TableRef[];
  /** `KernelNftables.portId` of every socket whose transactions are ours. At most 200. */
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
  const { tables, ownPorts, netns, onChange, onError } = options;
  return await NetlinkMonitor.open({
    protocol: NETLINK.NETFILTER,
    groups: [GROUP],
    filter: notFrom(ownPorts),
    ...(netns && { netns }),
    onMessages: (messages) => {
      if (messages.some((message) => concerns(message, tables))) onChange();
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

/** Whether an announcement is about one of the tables, or about something in it; of foreign ones nothing is decoded. */
function concerns({ type, payload }: NlMessage, tables: readonly TableRef[]): boolean {
  if (type >>> 8 !== SUBSYSTEM || (type & 0xff) === NFT_MSG.NEWGEN || payload.length < NFGENMSG_SIZE + 4)
    return false;
  return tables.some(({ family, name }) => {
    if (payload[0] !== FAMILY_NUMBERS[family]) return false;
    // struct nlattr of the table's name, which a NUL closes.
    const length = u16(payload, NFGENMSG_SIZE);
    const start = NFGENMSG_SIZE + 4;
    return (
      u16(payload, NFGENMSG_SIZE + 2) === TABLE &&
      new TextDecoder().decode(payload.subarray(start, NFGENMSG_SIZE + length - 1)) === name
    );
  });
}
