import type { Immediate, VerdictExpression } from '../../model/expression.ts';
import { readData, writeValue, writeVerdict } from '../data.ts';
import { NotModelled } from '../fields.ts';
import { registerNumber, registerOf, VERDICT_REGISTER } from '../register.ts';
import type { ExpressionCodec } from './codec.ts';

/** enum nft_immediate_attributes of linux/netfilter/nf_tables.h. */
const DREG = 1;
const DATA = 2;

/** The kernel makes no difference between a constant and a verdict but by the register it goes to. */
export const immediate: ExpressionCodec<Immediate | VerdictExpression> = {
  name: 'immediate',
  write(writer, expression) {
    if (expression.kind === 'verdict') {
      writer.attrU32be(DREG, VERDICT_REGISTER);
      writeVerdict(writer, DATA, expression.verdict);
    } else {
      writer.attrU32be(DREG, registerNumber(expression.dest));
      writeValue(writer, DATA, expression.value);
    }
  },
  read(fields) {
    const number = fields.u32(DREG);
    const data = readData(fields.bytes(DATA));
    if (data instanceof Uint8Array) return { kind: 'immediate', dest: registerOf(number), value: data };
    if (number !== VERDICT_REGISTER) throw new NotModelled('a verdict in a register');
    return { kind: 'verdict', verdict: data };
  },
};
