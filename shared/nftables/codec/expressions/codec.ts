import type { ByteWriter } from '../../../netlink/codec/wire.ts';
import type { Fields } from '../fields.ts';

/**
 * One kind of expression, both ways. `write` puts the attributes of NFTA_EXPR_DATA in nft's order; `read` takes them
 * back and throws NotModelled for what it has no place for.
 */
export interface ExpressionCodec<E> {
  /** What the kernel calls it (NFTA_EXPR_NAME). */
  readonly name: string;
  write(writer: ByteWriter, expression: E): void;
  read(fields: Fields): E;
}
