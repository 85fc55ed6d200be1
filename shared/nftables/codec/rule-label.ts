import { DecodeError } from '../../netlink/codec/decode-error.ts';
import { text, u64be } from '../../netlink/codec/read.ts';
import type { RuleLabel } from '../model/rule.ts';
import { messageFamily } from './family.ts';
import { NFGENMSG_SIZE } from './message.ts';
import { RULE } from './rule-attributes.ts';
import { readComment } from './userdata.ts';

/**
 * Of a rule only what names it and what it says of itself. A CNI call reads one for every pod of the node in code that
 * has just started and is not compiled yet: so this goes through the bytes once and copies nothing.
 * @throws DecodeError
 */
export function readRuleLabel(payload: Uint8Array): RuleLabel {
  let table: string | undefined;
  let chain: string | undefined;
  let handle: bigint | undefined;
  let comment: string | undefined;
  for (let at = NFGENMSG_SIZE; payload.length - at >= 4; ) {
    const length = (payload[at] as number) | ((payload[at + 1] as number) << 8);
    if (length < 4 || length > payload.length - at)
      throw new DecodeError(`attribute at byte ${at} is cut short`);
    const type = (payload[at + 2] as number) | (((payload[at + 3] as number) & 0x3f) << 8);
    if (type === RULE.HANDLE) handle = u64be(payload, at + 4);
    else if (type === RULE.TABLE) table = text(payload.subarray(at + 4, at + length));
    else if (type === RULE.CHAIN) chain = text(payload.subarray(at + 4, at + length));
    else if (type === RULE.USERDATA) comment = readComment(payload.subarray(at + 4, at + length)).comment;
    at += (length + 3) & ~3;
  }
  if (table === undefined || chain === undefined || handle === undefined)
    throw new DecodeError('a rule without a name');
  const family = messageFamily(payload);
  return comment === undefined ? { family, table, chain, handle } : { family, table, chain, handle, comment };
}
