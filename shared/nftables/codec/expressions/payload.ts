import type { Payload } from '../../model/expression.ts';
import { nameOf } from '../fields.ts';
import { registerNumber, registerOf } from '../register.ts';
import type { ExpressionCodec } from './codec.ts';

/** enum nft_payload_attributes of linux/netfilter/nf_tables.h. */
const DREG = 1;
const BASE = 2;
const OFFSET = 3;
const LENGTH = 4;

/** enum nft_payload_bases. */
const BASES = { link: 0, network: 1, transport: 2, inner: 3 } as const;

export const payload: ExpressionCodec<Payload> = {
  name: 'payload',
  write(writer, expression) {
    writer.attrU32be(DREG, registerNumber(expression.dest));
    writer.attrU32be(BASE, BASES[expression.base]);
    writer.attrU32be(OFFSET, expression.offset);
    writer.attrU32be(LENGTH, expression.length);
  },
  read: (fields) => ({
    kind: 'payload',
    base: nameOf(BASES, fields.u32(BASE)),
    offset: fields.u32(OFFSET),
    length: fields.u32(LENGTH),
    dest: registerOf(fields.u32(DREG)),
  }),
};
