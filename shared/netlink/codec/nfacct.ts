import { parseAttributes } from './attributes.ts';
import { DecodeError } from './decode-error.ts';
import { text, u64be } from './read.ts';
import { encoded } from './wire.ts';

/*
 * Named counters of netfilter (nfnetlink's subsystem acct), which rules of iptables count into by `-m nfacct`.
 * Pure. Numbers: linux/netfilter/nfnetlink.h and linux/netfilter/nfnetlink_acct.h.
 */

/** NFNL_SUBSYS_ACCT, 7, in the upper byte of nlmsg_type; NFNL_MSG_ACCT_* in the lower. */
export const NFACCT = { NEW: 0x700, GET: 0x701, DEL: 0x703 } as const;

/** Size of struct nfgenmsg: family u8, version u8, resource id be16. */
const HEADER = 4;
/** NFACCT_*. */
const ATTR = { NAME: 1, PKTS: 2, BYTES: 3 } as const;

export interface NfCounter {
  /** At most 31 bytes (NFACCT_NAME_MAX). */
  readonly name: string;
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** The payload of a command about a counter. */
export function encodeNfCounterName(name: string): Uint8Array {
  return encoded((writer, of) => {
    writer.zeros(HEADER);
    writer.attrString(ATTR.NAME, of);
  }, name);
}

/** @throws DecodeError */
export function decodeNfCounter(payload: Uint8Array): NfCounter {
  const counter: { name?: string; packets?: bigint; bytes?: bigint } = {};
  for (const { type, payload: value } of parseAttributes(payload, HEADER)) {
    if (type === ATTR.NAME) counter.name = text(value);
    else if (type === ATTR.PKTS) counter.packets = u64be(value);
    else if (type === ATTR.BYTES) counter.bytes = u64be(value);
  }
  const { name, packets, bytes } = counter;
  if (name === undefined || packets === undefined || bytes === undefined)
    throw new DecodeError('a counter without its name, packets or bytes');
  return { name, packets, bytes };
}
