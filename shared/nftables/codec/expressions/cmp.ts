import type { Cmp, CompareOp } from '../../model/expression.ts';
import { readValue, writeValue } from '../data.ts';
import { nameOf } from '../fields.ts';
import { registerNumber, registerOf } from '../register.ts';
import type { ExpressionCodec } from './codec.ts';

/** enum nft_cmp_attributes of linux/netfilter/nf_tables.h. */
const SREG = 1;
const OP = 2;
const DATA = 3;

/** enum nft_cmp_ops. */
const OPS: Readonly<Record<CompareOp, number>> = { '==': 0, '!=': 1, '<': 2, '<=': 3, '>': 4, '>=': 5 };

export const cmp: ExpressionCodec<Cmp> = {
  name: 'cmp',
  write(writer, expression) {
    writer.attrU32be(SREG, registerNumber(expression.source));
    writer.attrU32be(OP, OPS[expression.op]);
    writeValue(writer, DATA, expression.value);
  },
  read: (fields) => ({
    kind: 'cmp',
    source: registerOf(fields.u32(SREG)),
    op: nameOf(OPS, fields.u32(OP)),
    value: readValue(fields.bytes(DATA)),
  }),
};
