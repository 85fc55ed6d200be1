import type { Notrack } from '../../model/expression.ts';
import type { ExpressionCodec } from './codec.ts';

/** It has no attributes, and nft sends no nest for them either. */
export const notrack: ExpressionCodec<Notrack> = {
  name: 'notrack',
  write: () => undefined,
  read: () => ({ kind: 'notrack' }),
};
