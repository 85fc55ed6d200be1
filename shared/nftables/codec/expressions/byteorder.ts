import type { Byteorder } from '../../model/expression.ts';
import { nameOf } from '../fields.ts';
import { registerNumber, registerOf } from '../register.ts';
import type { ExpressionCodec } from './codec.ts';

/** enum nft_byteorder_attributes of linux/netfilter/nf_tables.h. */
const SREG = 1;
const DREG = 2;
const OP = 3;
const LENGTH = 4;
const SIZE = 5;

/** enum nft_byteorder_ops. */
const OPS = { ntoh: 0, hton: 1 } as const;

export const byteorder: ExpressionCodec<Byteorder> = {
  name: 'byteorder',
  write(writer, expression) {
    writer.attrU32be(SREG, registerNumber(expression.source));
    writer.attrU32be(DREG, registerNumber(expression.dest));
    writer.attrU32be(OP, OPS[expression.op]);
    writer.attrU32be(LENGTH, expression.length);
    writer.attrU32be(SIZE, expression.size);
  },
  read: (fields) => ({
    kind: 'byteorder',
    source: registerOf(fields.u32(SREG)),
    dest: registerOf(fields.u32(DREG)),
    op: nameOf(OPS, fields.u32(OP)),
    length: fields.u32(LENGTH),
    size: fields.u32(SIZE),
  }),
};
