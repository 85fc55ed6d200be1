import { HEADER_SIZE, NLM_F } from '../../netlink/codec/message.ts';
import type { ByteWriter } from '../../netlink/codec/wire.ts';

/** NFNL_SUBSYS_NFTABLES (linux/netfilter/nfnetlink.h): the upper byte of every message type. */
export const SUBSYSTEM = 10;

/** enum nf_tables_msg_types of linux/netfilter/nf_tables.h. */
export const NFT_MSG = {
  NEWTABLE: 0,
  GETTABLE: 1,
  DELTABLE: 2,
  NEWCHAIN: 3,
  GETCHAIN: 4,
  DELCHAIN: 5,
  NEWRULE: 6,
  GETRULE: 7,
  DELRULE: 8,
  NEWSET: 9,
  GETSET: 10,
  DELSET: 11,
  NEWSETELEM: 12,
  GETSETELEM: 13,
  DELSETELEM: 14,
  NEWGEN: 15,
  GETGEN: 16,
} as const;

/** NFNL_MSG_BATCH_BEGIN and _END (linux/netfilter/nfnetlink.h): what lies between them is one transaction. */
export const BATCH = { BEGIN: 0x10, END: 0x11 } as const;

/** Size of struct nfgenmsg, which starts every payload: family u8, version u8, res_id be16. */
export const NFGENMSG_SIZE = 4;

/** Writes the headers of an nf_tables message; returns what `endMessage` wants. */
export function beginMessage(
  writer: ByteWriter,
  type: number,
  flags: number,
  sequence: number,
  family: number,
): number {
  return begin(writer, (SUBSYSTEM << 8) | type, flags, sequence, family, 0);
}

export function endMessage(writer: ByteWriter, start: number): void {
  writer.patchU32(start, writer.length - start);
}

/** NFNL_BATCH_GENID (linux/netfilter/nfnetlink.h), since Linux 4.10. */
const BATCH_GENID = 1;

/** A whole message that opens or closes a transaction; what opens one can name the generation that it is for. */
export function writeFrame(
  writer: ByteWriter,
  type: number,
  flags: number,
  sequence: number,
  generation?: number,
): void {
  const start = begin(writer, type, flags, sequence, 0, SUBSYSTEM);
  if (generation !== undefined) writer.attrU32be(BATCH_GENID, generation);
  endMessage(writer, start);
}

function begin(
  writer: ByteWriter,
  type: number,
  flags: number,
  sequence: number,
  family: number,
  resource: number,
): number {
  const start = writer.length;
  writer.u32(HEADER_SIZE + NFGENMSG_SIZE);
  writer.u16(type);
  writer.u16(NLM_F.REQUEST | flags);
  writer.u32(sequence);
  writer.u32(0);
  writer.u8(family);
  writer.u8(0);
  writer.u16be(resource);
  return start;
}
