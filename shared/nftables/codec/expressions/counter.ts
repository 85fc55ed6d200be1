import type { Counter } from '../../model/expression.ts';
import type { ExpressionCodec } from './codec.ts';

/** enum nft_counter_attributes of linux/netfilter/nf_tables.h. */
const BYTES = 1;
const PACKETS = 2;
const PAD = 3;

export const counter: ExpressionCodec<Counter> = {
  name: 'counter',
  write(writer, { packets, bytes }) {
    // nft sends no attributes for a counter that starts at zero.
    if (packets === 0n && bytes === 0n) return;
    writer.attrU64be(BYTES, bytes);
    writer.attrU64be(PACKETS, packets);
  },
  read(fields) {
    fields.skip(PAD);
    return {
      kind: 'counter',
      packets: fields.optionalU64(PACKETS) ?? 0n,
      bytes: fields.optionalU64(BYTES) ?? 0n,
    };
  },
};
