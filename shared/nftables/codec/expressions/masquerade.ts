import type { Masquerade } from '../../model/expression.ts';
import { bitsOf, namesOf } from '../fields.ts';
import { optionalRegisterOf, registerNumber } from '../register.ts';
import type { ExpressionCodec } from './codec.ts';
import { NAT_FLAGS, PROTO_SPECIFIED } from './nat-flags.ts';

/** enum nft_masq_attributes of linux/netfilter/nf_tables.h. */
const FLAGS = 1;
const PORT_MIN = 2;
const PORT_MAX = 3;

export const masquerade: ExpressionCodec<Masquerade> = {
  name: 'masq',
  write(writer, { flags, portMin, portMax }) {
    if (flags.length > 0) writer.attrU32be(FLAGS, bitsOf(NAT_FLAGS, flags));
    if (portMin !== undefined) writer.attrU32be(PORT_MIN, registerNumber(portMin));
    if (portMax !== undefined) writer.attrU32be(PORT_MAX, registerNumber(portMax));
  },
  read(fields) {
    const portMin = optionalRegisterOf(fields.optionalU32(PORT_MIN));
    const portMax = optionalRegisterOf(fields.optionalU32(PORT_MAX));
    const bits = fields.optionalU32(FLAGS) ?? 0;
    return {
      kind: 'masquerade',
      flags: namesOf(NAT_FLAGS, portMin === undefined ? bits : bits & ~PROTO_SPECIFIED),
      ...(portMin === undefined ? {} : { portMin }),
      ...(portMax === undefined || portMax === portMin ? {} : { portMax }),
    };
  },
};
