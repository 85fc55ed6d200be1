import type { Fib, FibInput } from '../../model/expression.ts';
import { bitsOf, nameOf, namesOf } from '../fields.ts';
import { registerNumber, registerOf } from '../register.ts';
import type { ExpressionCodec } from './codec.ts';

/** enum nft_fib_attributes of linux/netfilter/nf_tables.h. */
const DREG = 1;
const RESULT = 2;
const FLAGS = 3;

/** enum nft_fib_result. */
const RESULTS = { oif: 1, oifname: 2, type: 3 } as const;

/** enum nft_fib_flags. */
const INPUTS: Readonly<Record<FibInput, number>> = {
  saddr: 1,
  daddr: 2,
  mark: 4,
  iif: 8,
  oif: 16,
  present: 32,
};

export const fib: ExpressionCodec<Fib> = {
  name: 'fib',
  write(writer, expression) {
    writer.attrU32be(FLAGS, bitsOf(INPUTS, expression.inputs));
    writer.attrU32be(RESULT, RESULTS[expression.result]);
    writer.attrU32be(DREG, registerNumber(expression.dest));
  },
  read: (fields) => ({
    kind: 'fib',
    result: nameOf(RESULTS, fields.u32(RESULT)),
    inputs: namesOf(INPUTS, fields.u32(FLAGS)),
    dest: registerOf(fields.u32(DREG)),
  }),
};
