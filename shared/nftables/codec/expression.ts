import { parseAttributes } from '../../netlink/codec/attributes.ts';
import { text } from '../../netlink/codec/read.ts';
import type { ByteWriter } from '../../netlink/codec/wire.ts';
import type { Expression, Opaque } from '../model/expression.ts';
import { bitwise } from './expressions/bitwise.ts';
import { byteorder } from './expressions/byteorder.ts';
import { cmp } from './expressions/cmp.ts';
import type { ExpressionCodec } from './expressions/codec.ts';
import { counter } from './expressions/counter.ts';
import { ct } from './expressions/ct.ts';
import { dynset as dynsetOf } from './expressions/dynset.ts';
import { fib } from './expressions/fib.ts';
import { immediate } from './expressions/immediate.ts';
import { lookup } from './expressions/lookup.ts';
import { masquerade } from './expressions/masquerade.ts';
import { meta } from './expressions/meta.ts';
import { nat } from './expressions/nat.ts';
import { notrack } from './expressions/notrack.ts';
import { numgen } from './expressions/numgen.ts';
import { payload } from './expressions/payload.ts';
import { range } from './expressions/range.ts';
import { reject } from './expressions/reject.ts';
import { Fields, NotModelled, nested } from './fields.ts';

/** enum nft_expr_attributes and nft_list_attributes of linux/netfilter/nf_tables.h. */
const NAME = 1;
const DATA = 2;
const LIST_ELEM = 1;

const dynset = dynsetOf({ write: writeExpression, read: readExpression, readList: readExpressions });

type Modelled = Exclude<Expression, { kind: 'opaque' }>;

/** The codec of every kind of expression; two kinds may share one where the kernel has one expression for both. */
const CODECS: { readonly [K in Modelled['kind']]: ExpressionCodec<Extract<Modelled, { kind: K }>> } = {
  payload,
  meta,
  'meta-set': meta,
  ct,
  'ct-set': ct,
  fib,
  numgen,
  cmp,
  range,
  bitwise,
  byteorder,
  lookup,
  dynset,
  immediate,
  verdict: immediate,
  counter,
  masquerade,
  nat,
  reject,
  notrack,
} as never;

/** Writes the list of a rule's expressions as the attribute `type`. */
export function writeExpressions(writer: ByteWriter, type: number, expressions: readonly Expression[]): void {
  const list = writer.beginNest(nested(type));
  for (const expression of expressions) writeExpression(writer, LIST_ELEM, expression);
  writer.endNest(list);
}

/** Writes one expression as the attribute `type`. */
export function writeExpression(writer: ByteWriter, type: number, expression: Expression): void {
  const element = writer.beginNest(nested(type));
  if (expression.kind === 'opaque') {
    writer.attrString(NAME, expression.name);
    if (expression.data !== undefined) writer.attr(nested(DATA), expression.data);
  } else {
    const codec = CODECS[expression.kind] as unknown as ExpressionCodec<never>;
    writer.attrString(NAME, codec.name);
    if (expression.kind !== 'notrack') {
      const data = writer.beginNest(nested(DATA));
      codec.write(writer, expression as never);
      writer.endNest(data);
    }
  }
  writer.endNest(element);
}

/** Reads the content of a list of expressions. @throws DecodeError when lengths do not add up */
export function readExpressions(bytes: Uint8Array): Expression[] {
  return parseAttributes(bytes).map((element) => readExpression(element.payload));
}

/** Reads the content of one element of a list. @throws DecodeError when lengths do not add up */
export function readExpression(bytes: Uint8Array): Expression {
  let name = '';
  let data: Uint8Array | undefined;
  for (const attribute of parseAttributes(bytes)) {
    if (attribute.type === NAME) name = text(attribute.payload);
    else if (attribute.type === DATA) data = attribute.payload;
  }
  const opaque: Opaque = { kind: 'opaque', name, ...(data === undefined ? {} : { data }) };
  const codec = codecNamed(name);
  if (codec === undefined) return opaque;
  const fields = new Fields(data ?? new Uint8Array(0));
  try {
    const expression = codec.read(fields);
    if (fields.rest.length === 0) return expression;
  } catch (error) {
    if (!(error instanceof NotModelled)) throw error;
  }
  return opaque;
}

let byName: Map<string, ExpressionCodec<unknown>> | undefined;

function codecNamed(name: string): { read(fields: Fields): Expression } | undefined {
  if (byName === undefined) {
    byName = new Map();
    for (const codec of Object.values(CODECS)) byName.set(codec.name, codec as ExpressionCodec<unknown>);
  }
  return byName.get(name) as { read(fields: Fields): Expression } | undefined;
}
