import type { Notrack } from '../../model/expression.ts';
import type { ExpressionCodec } from './codec.ts';

export const notrack: ExpressionCodec<Notrack> = {
  name: 'notrack',
  write: () => undefined,
  read: () => ({ kind: 'notrack' }),
};
