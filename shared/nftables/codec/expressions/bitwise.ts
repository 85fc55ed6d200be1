import type { Bitwise } from '../../model/expression.ts';
import { readValue, writeValue } from '../data.ts';
import { NotModelled } from '../fields.ts';
import { registerNumber, registerOf } from '../register.ts';
import type { ExpressionCodec } from './codec.ts';

/** enum nft_bitwise_attributes of linux/netfilter/nf_tables.h. */
const SREG = 1;
const DREG = 2;
const LENGTH = 3;
const MASK = 4;
const XOR = 5;
const OP = 6;

/** NFT_BITWISE_MASK_XOR: what no operation means, too. nft sends it sometimes. Shifts stay opaque. */
const MASK_XOR = 0;

export const bitwise: ExpressionCodec<Bitwise> = {
  name: 'bitwise',
  write(writer, expression) {
    writer.attrU32be(SREG, registerNumber(expression.source));
    writer.attrU32be(DREG, registerNumber(expression.dest));
    writer.attrU32be(LENGTH, expression.mask.length);
    writeValue(writer, MASK, expression.mask);
    writeValue(writer, XOR, expression.xor);
  },
  read(fields) {
    if ((fields.optionalU32(OP) ?? MASK_XOR) !== MASK_XOR) throw new NotModelled('bitwise operation');
    const mask = readValue(fields.bytes(MASK));
    const xor = readValue(fields.bytes(XOR));
    if (fields.u32(LENGTH) !== mask.length || mask.length !== xor.length)
      throw new NotModelled('bitwise length');
    return {
      kind: 'bitwise',
      source: registerOf(fields.u32(SREG)),
      dest: registerOf(fields.u32(DREG)),
      mask,
      xor,
    };
  },
};
