import type { Numgen } from '../../model/expression.ts';
import { nameOf } from '../fields.ts';
import { registerNumber, registerOf } from '../register.ts';
import type { ExpressionCodec } from './codec.ts';

/** enum nft_ng_attributes of linux/netfilter/nf_tables.h. */
const DREG = 1;
const MODULUS = 2;
const TYPE = 3;
const OFFSET = 4;

/** enum nft_ng_types. */
const MODES = { inc: 0, random: 1 } as const;

export const numgen: ExpressionCodec<Numgen> = {
  name: 'numgen',
  write(writer, expression) {
    writer.attrU32be(DREG, registerNumber(expression.dest));
    writer.attrU32be(MODULUS, expression.modulus);
    writer.attrU32be(TYPE, MODES[expression.mode]);
    writer.attrU32be(OFFSET, expression.offset);
  },
  read: (fields) => ({
    kind: 'numgen',
    mode: nameOf(MODES, fields.u32(TYPE)),
    modulus: fields.u32(MODULUS),
    offset: fields.optionalU32(OFFSET) ?? 0,
    dest: registerOf(fields.u32(DREG)),
  }),
};
