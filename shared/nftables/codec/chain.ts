import type { ByteWriter } from '../../netlink/codec/wire.ts';
import type { Chain } from '../model/chain.ts';
import { messageFamily } from './family.ts';
import { Fields } from './fields.ts';
import { POLICIES, readHook, writeHook } from './hook.ts';
import { NFGENMSG_SIZE } from './message.ts';
import { keeps, unknownOf } from './unknown.ts';
import { commentRecord, encodeUserdata, readComment } from './userdata.ts';

/** enum nft_chain_attributes of linux/netfilter/nf_tables.h. */
const TABLE = 1;
const HANDLE = 2;
const NAME = 3;
const HOOK = 4;
const POLICY = 5;
const USE = 6;
const TYPE = 7;
const COUNTERS = 8;
const PAD = 9;
const FLAGS = 10;
const ID = 11;
const USERDATA = 12;

/** NFT_CHAIN_BASE: says what having a hook says. */
const IS_BASE = 1;

/** The attributes of NFT_MSG_NEWCHAIN. */
export function writeChain(writer: ByteWriter, chain: Chain): void {
  const { family, table, name, base, comment, unknown } = chain;
  writer.attrString(TABLE, table);
  writer.attrString(NAME, name);
  if (comment !== undefined && !keeps(unknown, USERDATA)) {
    writer.attr(USERDATA, encodeUserdata([commentRecord(comment)]));
  }
  if (base !== undefined) {
    writer.attrString(TYPE, base.type);
    if (base.policy !== undefined) writer.attrU32be(POLICY, POLICIES[base.policy]);
    writeHook(writer, HOOK, family, base);
  }
  writer.attributes(unknown);
}

/** @throws DecodeError */
export function readChain(payload: Uint8Array): Chain {
  const family = messageFamily(payload);
  const fields = new Fields(payload, NFGENMSG_SIZE);
  fields.skip(USE, COUNTERS, PAD, ID);
  const hook = fields.optionalNest(HOOK);
  const policy = fields.optionalU32(POLICY);
  const type = fields.optionalText(TYPE);
  fields.maskedU32(FLAGS, IS_BASE);
  const handle = fields.optionalU64(HANDLE);
  const comment = fields.viewed(USERDATA, readComment);
  return {
    kind: 'chain',
    family,
    table: fields.text(TABLE),
    name: fields.text(NAME),
    ...(hook === undefined || type === undefined ? {} : { base: readHook(hook, family, type, policy) }),
    ...(comment === undefined ? {} : { comment }),
    ...(handle === undefined ? {} : { handle }),
    ...unknownOf(fields.rest),
  };
}
