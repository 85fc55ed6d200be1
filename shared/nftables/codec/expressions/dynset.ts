import type { ByteWriter } from '../../../netlink/codec/wire.ts';
import type { Dynset, Expression } from '../../model/expression.ts';
import { NotModelled, nameOf, nested } from '../fields.ts';
import { optionalRegisterOf, registerNumber, registerOf } from '../register.ts';
import type { ExpressionCodec } from './codec.ts';

/** enum nft_dynset_attributes of linux/netfilter/nf_tables.h. */
const SET_NAME = 1;
const SET_ID = 2;
const OP = 3;
const SREG_KEY = 4;
const SREG_DATA = 5;
const TIMEOUT = 6;
const EXPRESSION = 7;
const PAD = 8;
const FLAGS = 9;
const EXPRESSIONS = 10;

/** enum nft_dynset_ops. */
const OPS = { add: 0, update: 1, delete: 2 } as const;

/** enum nft_dynset_flags; that there are expressions shows by themselves. */
const INVERTED = 1;
const HAS_EXPRESSIONS = 2;

/** What a dynset needs of the other expressions, since it holds some: handed in, for those know of the dynset. */
export interface Inner {
  readonly write: (writer: ByteWriter, type: number, expression: Expression) => void;
  readonly read: (bytes: Uint8Array) => Expression;
  readonly readList: (bytes: Uint8Array) => Expression[];
}

export function dynset(inner: Inner): ExpressionCodec<Dynset> {
  return {
    name: 'dynset',
    write(writer, { set, setId, op, sourceKey, sourceData, timeout, inverted, expressions }) {
      writer.attrU32be(SREG_KEY, registerNumber(sourceKey));
      if (sourceData !== undefined) writer.attrU32be(SREG_DATA, registerNumber(sourceData));
      writer.attrU32be(OP, OPS[op]);
      if (timeout !== undefined) writer.attrU64be(TIMEOUT, BigInt(timeout));
      writer.attrString(SET_NAME, set);
      if (setId !== undefined) writer.attrU32be(SET_ID, setId);
      const [first, ...more] = expressions ?? [];
      let flags = inverted ? INVERTED : 0;
      if (first !== undefined && more.length > 0) {
        flags |= HAS_EXPRESSIONS;
        const nest = writer.beginNest(nested(EXPRESSIONS));
        for (const expression of [first, ...more]) inner.write(writer, 1, expression);
        writer.endNest(nest);
      } else if (first !== undefined) {
        inner.write(writer, EXPRESSION, first);
      }
      if (flags !== 0) writer.attrU32be(FLAGS, flags);
    },
    read(fields) {
      fields.skip(PAD);
      const setId = fields.optionalU32(SET_ID);
      const sourceData = optionalRegisterOf(fields.optionalU32(SREG_DATA));
      const timeout = Number(fields.optionalU64(TIMEOUT) ?? 0n);
      const flags = fields.optionalU32(FLAGS) ?? 0;
      if ((flags & ~(INVERTED | HAS_EXPRESSIONS)) !== 0) throw new NotModelled('dynset flags');
      const one = fields.optional(EXPRESSION);
      const list = fields.optional(EXPRESSIONS);
      const expressions =
        list !== undefined ? inner.readList(list) : one !== undefined ? [inner.read(one)] : [];
      return {
        kind: 'dynset',
        set: fields.text(SET_NAME),
        ...(setId === undefined ? {} : { setId }),
        op: nameOf(OPS, fields.u32(OP)),
        sourceKey: registerOf(fields.u32(SREG_KEY)),
        ...(sourceData === undefined ? {} : { sourceData }),
        ...(timeout === 0 ? {} : { timeout }),
        ...((flags & INVERTED) === 0 ? {} : { inverted: true }),
        ...(expressions.length === 0 ? {} : { expressions }),
      };
    },
  };
}
