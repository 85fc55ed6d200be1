import type { Ct, CtKey, CtSet } from '../../model/expression.ts';
import { NotModelled, nameOf } from '../fields.ts';
import { registerNumber, registerOf } from '../register.ts';
import type { ExpressionCodec } from './codec.ts';

/** enum nft_ct_attributes of linux/netfilter/nf_tables.h. */
const DREG = 1;
const KEY = 2;
const DIRECTION = 3;
const SREG = 4;

/** enum nft_ct_keys. */
const KEYS: Readonly<Record<CtKey, number>> = {
  state: 0,
  direction: 1,
  status: 2,
  mark: 3,
  src: 8,
  dst: 9,
  protocol: 10,
  'proto-src': 11,
  'proto-dst': 12,
  zone: 17,
  'src-ip': 19,
  'dst-ip': 20,
  'src-ip6': 21,
  'dst-ip6': 22,
};

/** enum ip_conntrack_dir of linux/netfilter/nf_conntrack_tuple_common.h; one byte here, unlike the other numbers. */
const DIRECTIONS = { original: 0, reply: 1 } as const;

export const ct: ExpressionCodec<Ct | CtSet> = {
  name: 'ct',
  write(writer, expression) {
    writer.attrU32be(KEY, KEYS[expression.key]);
    if (expression.kind === 'ct') {
      writer.attrU32be(DREG, registerNumber(expression.dest));
      if (expression.direction !== undefined) writer.attrU8(DIRECTION, DIRECTIONS[expression.direction]);
    } else {
      writer.attrU32be(SREG, registerNumber(expression.source));
    }
  },
  read(fields) {
    const key = nameOf(KEYS, fields.u32(KEY));
    const source = fields.optionalU32(SREG);
    if (source !== undefined) return { kind: 'ct-set', key, source: registerOf(source) };
    const dest = registerOf(fields.u32(DREG));
    const direction = fields.optional(DIRECTION);
    if (direction === undefined) return { kind: 'ct', key, dest };
    const [number] = direction;
    if (direction.length !== 1 || number === undefined) throw new NotModelled('ct direction');
    return { kind: 'ct', key, direction: nameOf(DIRECTIONS, number), dest };
  },
};
