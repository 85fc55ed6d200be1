/** How a protobuf message looks: what scripts/messages.ts generates from .proto files. Pure. */

/** proto3's scalar types that are in use; an enum travels as int32. */
export type Scalar =
  | 'bool'
  | 'string'
  | 'bytes'
  | 'int32'
  | 'uint32'
  | 'enum'
  | 'int64'
  | 'uint64'
  | 'float'
  | 'double';

/** `one`: has a default when it did not travel; `maybe`: absent then; `map`: text to values. */
export type Label = 'one' | 'maybe' | 'many' | 'map';

export interface Field {
  readonly number: number;
  readonly name: string;
  readonly label: Label;
  readonly kind: Scalar | 'message';
  /** Of a message; a function, since messages may hold each other. */
  readonly type?: () => AnyMessageType;
  /** No log may hold it. */
  readonly secret?: true;
}

/** A message's type; `M` is what it decodes to. */
export interface MessageType<M> {
  readonly name: string;
  readonly fields: readonly Field[];
  /** For the compiler alone: there is no such value. */
  readonly message?: M;
}

export type AnyMessageType = MessageType<object>;

/** What encodes to an `M`: any field may be left out. */
export type Init<M> = M extends Uint8Array | string | number | bigint | boolean | undefined
  ? M
  : M extends readonly (infer E)[]
    ? readonly Init<E>[]
    : { readonly [K in keyof M]?: Init<M[K]> };

/** One call of a service. */
export interface Method<Request, Response> {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly request: MessageType<Request>;
  readonly response: MessageType<Response>;
}

/** Asked once, answered once. */
export interface UnaryMethod<Request, Response> extends Method<Request, Response> {
  readonly streams: 'none';
}

/** Asked once, answered many times. */
export interface ServerStreamMethod<Request, Response> extends Method<Request, Response> {
  readonly streams: 'server';
}

/** Both sides speak as they like; calls with many requests and one answer are not in use. */
export interface DuplexMethod<Request, Response> extends Method<Request, Response> {
  readonly streams: 'both';
}

/** A field as generated code writes it. */
export type FieldRow = readonly [
  number: number,
  name: string,
  label: Label,
  kind: Scalar | (() => AnyMessageType),
  secret?: 'secret',
];

export function messageType<M>(typeName: string, rows: readonly FieldRow[]): MessageType<M> {
  const fields = rows.map(([number, name, label, kind, secret]): Field => {
    const common = { number, name, label, ...(secret && { secret: true as const }) };
    return typeof kind === 'function' ? { ...common, kind: 'message', type: kind } : { ...common, kind };
  });
  return { name: typeName, fields };
}

/** Bytes that are no protobuf message, or not this one. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** protobuf.dev, "Encoding": the low three bits of a tag. */
export const WIRE = { VARINT: 0, I64: 1, LEN: 2, I32: 5 } as const;

/** How a scalar travels. */
export function wireTypeOf(kind: Field['kind']): number {
  switch (kind) {
    case 'string':
    case 'bytes':
    case 'message':
      return WIRE.LEN;
    case 'double':
      return WIRE.I64;
    case 'float':
      return WIRE.I32;
    default:
      return WIRE.VARINT;
  }
}
