import type { Nat } from '../../model/expression.ts';
import { FAMILY_NUMBERS } from '../../model/family.ts';
import { bitsOf, nameOf, namesOf } from '../fields.ts';
import { optionalRegisterOf, registerNumber } from '../register.ts';
import type { ExpressionCodec } from './codec.ts';
import { MAP_IPS, NAT_FLAGS, PROTO_SPECIFIED } from './nat-flags.ts';

/** enum nft_nat_attributes of linux/netfilter/nf_tables.h. */
const TYPE = 1;
const FAMILY = 2;
const ADDRESS_MIN = 3;
const ADDRESS_MAX = 4;
const PORT_MIN = 5;
const PORT_MAX = 6;
const FLAGS = 7;

/** enum nft_nat_types. */
const TYPES = { snat: 0, dnat: 1 } as const;

const FAMILIES = { ip: FAMILY_NUMBERS.ip, ip6: FAMILY_NUMBERS.ip6 } as const;

export const nat: ExpressionCodec<Nat> = {
  name: 'nat',
  write(writer, { type, family, addressMin, addressMax, portMin, portMax, flags }) {
    writer.attrU32be(TYPE, TYPES[type]);
    writer.attrU32be(FAMILY, FAMILIES[family]);
    if (addressMin !== undefined) writer.attrU32be(ADDRESS_MIN, registerNumber(addressMin));
    if (addressMax !== undefined) writer.attrU32be(ADDRESS_MAX, registerNumber(addressMax));
    if (portMin !== undefined) writer.attrU32be(PORT_MIN, registerNumber(portMin));
    if (portMax !== undefined) writer.attrU32be(PORT_MAX, registerNumber(portMax));
    if (flags.length > 0) writer.attrU32be(FLAGS, bitsOf(NAT_FLAGS, flags));
  },
  read(fields) {
    const addressMin = optionalRegisterOf(fields.optionalU32(ADDRESS_MIN));
    const addressMax = optionalRegisterOf(fields.optionalU32(ADDRESS_MAX));
    const portMin = optionalRegisterOf(fields.optionalU32(PORT_MIN));
    const portMax = optionalRegisterOf(fields.optionalU32(PORT_MAX));
    let bits = fields.optionalU32(FLAGS) ?? 0;
    if (addressMin !== undefined) bits &= ~MAP_IPS;
    if (portMin !== undefined) bits &= ~PROTO_SPECIFIED;
    return {
      kind: 'nat',
      type: nameOf(TYPES, fields.u32(TYPE)),
      family: nameOf(FAMILIES, fields.u32(FAMILY)),
      ...(addressMin === undefined ? {} : { addressMin }),
      ...(addressMax === undefined || addressMax === addressMin ? {} : { addressMax }),
      ...(portMin === undefined ? {} : { portMin }),
      ...(portMax === undefined || portMax === portMin ? {} : { portMax }),
      flags: namesOf(NAT_FLAGS, bits),
    };
  },
};
