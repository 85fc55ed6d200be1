import type { Reject } from '../../model/expression.ts';
import { NotModelled, nameOf } from '../fields.ts';
import type { ExpressionCodec } from './codec.ts';

/** enum nft_reject_attributes of linux/netfilter/nf_tables.h. */
const TYPE = 1;
const CODE = 2;

/** enum nft_reject_types. */
const TYPES = { icmp: 0, 'tcp-reset': 1, icmpx: 2 } as const;

export const reject: ExpressionCodec<Reject> = {
  name: 'reject',
  write(writer, expression) {
    writer.attrU32be(TYPE, TYPES[expression.with]);
    writer.attrU8(CODE, expression.code);
  },
  read(fields) {
    const type = nameOf(TYPES, fields.u32(TYPE));
    const code = fields.optional(CODE);
    if (code !== undefined && code.length !== 1) throw new NotModelled('reject code');
    // The kernel keeps no code for a TCP reset.
    return { kind: 'reject', with: type, code: code?.[0] ?? 0 };
  },
};
