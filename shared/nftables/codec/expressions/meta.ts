import type { Meta, MetaKey, MetaSet } from '../../model/expression.ts';
import { nameOf } from '../fields.ts';
import { registerNumber, registerOf } from '../register.ts';
import type { ExpressionCodec } from './codec.ts';

/** enum nft_meta_attributes of linux/netfilter/nf_tables.h. */
const DREG = 1;
const KEY = 2;
const SREG = 3;

/** enum nft_meta_keys. */
const KEYS: Readonly<Record<MetaKey, number>> = {
  protocol: 1,
  priority: 2,
  mark: 3,
  iif: 4,
  oif: 5,
  iifname: 6,
  oifname: 7,
  iiftype: 8,
  oiftype: 9,
  skuid: 10,
  nftrace: 12,
  nfproto: 15,
  l4proto: 16,
  pkttype: 19,
  iifgroup: 21,
  oifgroup: 22,
};

export const meta: ExpressionCodec<Meta | MetaSet> = {
  name: 'meta',
  write(writer, expression) {
    writer.attrU32be(KEY, KEYS[expression.key]);
    if (expression.kind === 'meta') writer.attrU32be(DREG, registerNumber(expression.dest));
    else writer.attrU32be(SREG, registerNumber(expression.source));
  },
  read(fields) {
    const key = nameOf(KEYS, fields.u32(KEY));
    const source = fields.optionalU32(SREG);
    if (source !== undefined) return { kind: 'meta-set', key, source: registerOf(source) };
    return { kind: 'meta', key, dest: registerOf(fields.u32(DREG)) };
  },
};
