import type { Lookup } from '../../model/expression.ts';
import { NotModelled } from '../fields.ts';
import { registerNumber, registerOf, VERDICT_REGISTER } from '../register.ts';
import type { ExpressionCodec } from './codec.ts';

/** enum nft_lookup_attributes of linux/netfilter/nf_tables.h. */
const SET = 1;
const SREG = 2;
const DREG = 3;
const SET_ID = 4;
const FLAGS = 5;

/** NFT_LOOKUP_F_INV. */
const INVERTED = 1;

export const lookup: ExpressionCodec<Lookup> = {
  name: 'lookup',
  write(writer, { set, setId, source, dest, inverted }) {
    writer.attrU32be(SREG, registerNumber(source));
    if (dest !== undefined) {
      writer.attrU32be(DREG, dest === 'verdict' ? VERDICT_REGISTER : registerNumber(dest));
    }
    writer.attrString(SET, set);
    if (setId !== undefined) writer.attrU32be(SET_ID, setId);
    if (inverted) writer.attrU32be(FLAGS, INVERTED);
  },
  read(fields) {
    const dest = fields.optionalU32(DREG);
    const setId = fields.optionalU32(SET_ID);
    const flags = fields.optionalU32(FLAGS) ?? 0;
    if ((flags & ~INVERTED) !== 0) throw new NotModelled('lookup flags');
    return {
      kind: 'lookup',
      set: fields.text(SET),
      ...(setId === undefined ? {} : { setId }),
      source: registerOf(fields.u32(SREG)),
      ...(dest === undefined ? {} : { dest: dest === VERDICT_REGISTER ? 'verdict' : registerOf(dest) }),
      ...(flags === 0 ? {} : { inverted: true }),
    };
  },
};
