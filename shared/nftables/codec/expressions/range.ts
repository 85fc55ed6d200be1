import type { Range } from '../../model/expression.ts';
import { readValue, writeValue } from '../data.ts';
import { nameOf } from '../fields.ts';
import { registerNumber, registerOf } from '../register.ts';
import type { ExpressionCodec } from './codec.ts';

/** enum nft_range_attributes of linux/netfilter/nf_tables.h. */
const SREG = 1;
const OP = 2;
const FROM = 3;
const TO = 4;

/** enum nft_range_ops. */
const OPS = { '==': 0, '!=': 1 } as const;

export const range: ExpressionCodec<Range> = {
  name: 'range',
  write(writer, expression) {
    writer.attrU32be(SREG, registerNumber(expression.source));
    writer.attrU32be(OP, OPS[expression.op]);
    writeValue(writer, FROM, expression.from);
    writeValue(writer, TO, expression.to);
  },
  read: (fields) => ({
    kind: 'range',
    source: registerOf(fields.u32(SREG)),
    op: nameOf(OPS, fields.u32(OP)),
    from: readValue(fields.bytes(FROM)),
    to: readValue(fields.bytes(TO)),
  }),
};
