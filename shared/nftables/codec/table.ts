import type { ByteWriter } from '../../netlink/codec/wire.ts';
import type { Table } from '../model/table.ts';
import { messageFamily } from './family.ts';
import { Fields } from './fields.ts';
import { NFGENMSG_SIZE } from './message.ts';
import { keeps, unknownOf } from './unknown.ts';
import { commentRecord, encodeUserdata, readComment } from './userdata.ts';

/** enum nft_table_attributes of linux/netfilter/nf_tables.h. */
const NAME = 1;
const FLAGS = 2;
const USE = 3;
const HANDLE = 4;
const PAD = 5;
const USERDATA = 6;

/** NFT_TABLE_F_DORMANT. */
const DORMANT = 1;

/** The attributes of NFT_MSG_NEWTABLE. */
export function writeTable(writer: ByteWriter, { name, dormant, comment, unknown }: Table): void {
  writer.attrString(NAME, name);
  if (!keeps(unknown, FLAGS)) writer.attrU32be(FLAGS, dormant ? DORMANT : 0);
  if (comment !== undefined && !keeps(unknown, USERDATA)) {
    writer.attr(USERDATA, encodeUserdata([commentRecord(comment)]));
  }
  writer.attributes(unknown);
}

/** @throws DecodeError */
export function readTable(payload: Uint8Array): Table {
  const fields = new Fields(payload, NFGENMSG_SIZE);
  fields.skip(USE, PAD);
  const handle = fields.optionalU64(HANDLE);
  const flags = fields.maskedU32(FLAGS, DORMANT);
  const comment = fields.viewed(USERDATA, readComment);
  return {
    kind: 'table',
    family: messageFamily(payload),
    name: fields.text(NAME),
    ...(comment === undefined ? {} : { comment }),
    ...((flags & DORMANT) === 0 ? {} : { dormant: true }),
    ...(handle === undefined ? {} : { handle }),
    ...unknownOf(fields.rest),
  };
}
