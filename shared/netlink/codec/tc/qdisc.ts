import { type Attribute, parseAttributes } from '../attributes.ts';
import { text, u32 } from '../read.ts';
import { type ByteWriter, encoded } from '../wire.ts';
import { readTbf, type TbfQdisc, writeTbf } from './tbf.ts';
import { TCA, TCMSG_SIZE, writeTcmsg } from './tcmsg.ts';

/** Takes what arrives on an interface; its filters say what becomes of it. */
export interface IngressQdisc {
  readonly kind: 'ingress';
  readonly unknown?: readonly Attribute[];
}

/** A kind without a codec of its own; its options are kept as bytes. */
export interface OtherQdisc {
  readonly kind: 'other';
  /** TCA_KIND: 'noqueue'. */
  readonly name: string;
  /** The content of TCA_OPTIONS. */
  readonly data?: Uint8Array;
}

/** A new kind is a file beside this one, a member here, and a case in `writeOptions` and `readOptions`. */
export type QdiscKind = TbfQdisc | IngressQdisc | OtherQdisc;

/** A queueing discipline of an interface. */
export interface Qdisc {
  /** Index of the interface. */
  readonly index: number;
  /** See `tcHandle`. */
  readonly handle: number;
  /** TC_H.ROOT, TC_H.INGRESS or a class of another one. */
  readonly parent: number;
  /** The kernel tells its count of references here. */
  readonly info?: number;
  readonly options: QdiscKind;
  readonly unknown?: readonly Attribute[];
}

/** The payload of RTM_NEWQDISC. */
export function encodeQdisc(qdisc: Qdisc): Uint8Array {
  return encoded(writeQdisc, qdisc);
}

function writeQdisc(writer: ByteWriter, qdisc: Qdisc): void {
  const { index, handle, parent, info = 0, options } = qdisc;
  writeTcmsg(writer, index, handle, parent, info);
  writer.attrString(TCA.KIND, options.kind === 'other' ? options.name : options.kind);
  writeOptions(writer, options);
  writer.attributes(qdisc.unknown);
}

/** The payload of RTM_DELQDISC: what hangs at `parent` of the interface. */
export function encodeQdiscKey(key: Pick<Qdisc, 'index' | 'handle' | 'parent'>): Uint8Array {
  return encoded((writer) => writeTcmsg(writer, key.index, key.handle, key.parent, 0), undefined);
}

/** The payload of an RTM_NEWQDISC of the kernel. @throws DecodeError */
export function decodeQdisc(bytes: Uint8Array): Qdisc {
  let kind = '';
  let options: Uint8Array | undefined;
  const unknown: Attribute[] = [];
  for (const attribute of parseAttributes(bytes, TCMSG_SIZE)) {
    if (attribute.type === TCA.KIND) kind = text(attribute.payload);
    else if (attribute.type === TCA.OPTIONS) options = attribute.payload;
    else unknown.push(attribute);
  }
  const info = u32(bytes, 16);
  return {
    index: u32(bytes, 4),
    handle: u32(bytes, 8),
    parent: u32(bytes, 12),
    ...(info === 0 ? {} : { info }),
    options: readOptions(kind, options),
    ...(unknown.length === 0 ? {} : { unknown }),
  };
}

function writeOptions(writer: ByteWriter, options: QdiscKind): void {
  if (options.kind === 'other') {
    if (options.data !== undefined) writer.attr(TCA.OPTIONS, options.data);
    return;
  }
  if (options.kind === 'ingress' && options.unknown === undefined) return;
  const start = writer.beginNest(TCA.OPTIONS);
  if (options.kind === 'tbf') writeTbf(writer, options);
  else writer.attributes(options.unknown);
  writer.endNest(start);
}

function readOptions(kind: string, data: Uint8Array | undefined): QdiscKind {
  const attributes = (): Attribute[] => (data === undefined ? [] : parseAttributes(data));
  switch (kind) {
    case 'tbf':
      return readTbf(attributes());
    case 'ingress': {
      const unknown = attributes();
      return unknown.length === 0 ? { kind: 'ingress' } : { kind: 'ingress', unknown };
    }
    default:
      return data === undefined ? { kind: 'other', name: kind } : { kind: 'other', name: kind, data };
  }
}
