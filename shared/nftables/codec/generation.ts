import { Fields } from './fields.ts';
import { NFGENMSG_SIZE } from './message.ts';

/** NFTA_GEN_ID of linux/netfilter/nf_tables.h. */
const GEN_ID = 1;

/** The generation's number in NFT_MSG_NEWGEN. @throws DecodeError */
export function readGeneration(payload: Uint8Array): number {
  return new Fields(payload, NFGENMSG_SIZE).u32(GEN_ID);
}
