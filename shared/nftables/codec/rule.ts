import type { ByteWriter } from '../../netlink/codec/wire.ts';
import type { Rule } from '../model/rule.ts';
import { readExpressions, writeExpressions } from './expression.ts';
import { messageFamily } from './family.ts';
import { Fields } from './fields.ts';
import { NFGENMSG_SIZE } from './message.ts';
import { RULE } from './rule-attributes.ts';
import { keeps, unknownOf } from './unknown.ts';
import { commentRecord, encodeUserdata, readComment } from './userdata.ts';

/** The attributes of NFT_MSG_NEWRULE; the handle only if this is to replace the rule that has it. */
export function writeRule(writer: ByteWriter, rule: Rule, replace: boolean): void {
  const { unknown, comment } = rule;
  writer.attrString(RULE.TABLE, rule.table);
  writer.attrString(RULE.CHAIN, rule.chain);
  if (replace && rule.handle !== undefined) writer.attrU64be(RULE.HANDLE, rule.handle);
  writeExpressions(writer, RULE.EXPRESSIONS, rule.expressions);
  if (comment !== undefined && !keeps(unknown, RULE.USERDATA)) {
    writer.attr(RULE.USERDATA, encodeUserdata([commentRecord(comment)]));
  }
  if (rule.position !== undefined) writer.attrU64be(RULE.POSITION, rule.position);
  writer.attributes(unknown);
}

/** @throws DecodeError */
export function readRule(payload: Uint8Array): Rule {
  const fields = new Fields(payload, NFGENMSG_SIZE);
  // The position that the kernel lists is the rule before this one: its place in the list says so already.
  fields.skip(RULE.PAD, RULE.POSITION);
  const handle = fields.optionalU64(RULE.HANDLE);
  const expressions = fields.optional(RULE.EXPRESSIONS);
  const comment = fields.viewed(RULE.USERDATA, readComment);
  return {
    kind: 'rule',
    family: messageFamily(payload),
    table: fields.text(RULE.TABLE),
    chain: fields.text(RULE.CHAIN),
    expressions: expressions === undefined ? [] : readExpressions(expressions),
    ...(comment === undefined ? {} : { comment }),
    ...(handle === undefined ? {} : { handle }),
    ...unknownOf(fields.rest),
  };
}
