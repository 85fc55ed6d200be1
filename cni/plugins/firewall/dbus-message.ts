/**
 * Messages of D-Bus, as far as one caller needs them: method calls whose arguments are strings, and what comes back.
 * The D-Bus Specification 0.43, "Message Protocol". Pure.
 */

/** A call of a method. */
export interface DbusCall {
  readonly serial: number;
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly args: readonly string[];
}

/** What the bus delivered. */
export interface DbusReply {
  readonly type: 'return' | 'error' | 'other';
  /** Serial of the call that it answers. */
  readonly replyTo: number;
  /** Of an error: `org.freedesktop.DBus.Error.NameHasNoOwner`. */
  readonly errorName: string;
  /** The first argument, where it is a string or a boolean. */
  readonly value: string | boolean | undefined;
}

/** Bytes that are no message. */
export class DbusFormatError extends Error {
  override readonly name = 'DbusFormatError';
}

/** Message types, and codes of header fields. */
const TYPE = { CALL: 1, RETURN: 2, ERROR: 3 } as const;
const FIELD = {
  PATH: 1,
  INTERFACE: 2,
  MEMBER: 3,
  ERROR_NAME: 4,
  REPLY_SERIAL: 5,
  DESTINATION: 6,
  SIGNATURE: 8,
};

/** Size of the header up to and including the length of its fields. */
export const dbusHeaderSize = 16;

/** The longest message, and so the longest to wait for. */
const maxMessage = 0x0800_0000;

const littleEndian = 0x6c;

export function encodeDbusCall(call: DbusCall): Uint8Array {
  const body: number[] = [];
  for (const arg of call.args) putString(body, arg);
  const bytes = [littleEndian, TYPE.CALL, 0, 1];
  putU32(bytes, body.length);
  putU32(bytes, call.serial);
  const lengthAt = bytes.length;
  putU32(bytes, 0);
  putField(bytes, FIELD.PATH, 'o', call.path);
  putField(bytes, FIELD.DESTINATION, 's', call.destination);
  putField(bytes, FIELD.INTERFACE, 's', call.interface);
  putField(bytes, FIELD.MEMBER, 's', call.member);
  if (call.args.length > 0) putField(bytes, FIELD.SIGNATURE, 'g', 's'.repeat(call.args.length));
  const message = new Uint8Array(align(bytes.length, 8) + body.length);
  message.set(bytes);
  new DataView(message.buffer).setUint32(lengthAt, bytes.length - dbusHeaderSize, true);
  message.set(body, message.length - body.length);
  return message;
}

/** The whole length of the message that begins with these bytes, of which there must be `dbusHeaderSize`. */
export function dbusMessageLength(bytes: Uint8Array): number {
  if (bytes[0] !== littleEndian || bytes[3] !== 1)
    throw new DbusFormatError('no little-endian D-Bus message');
  const view = viewOf(bytes);
  const length = align(dbusHeaderSize + view.getUint32(12, true), 8) + view.getUint32(4, true);
  if (length > maxMessage) throw new DbusFormatError(`a D-Bus message of ${length} bytes`);
  return length;
}

/** Reads one whole message. @throws DbusFormatError */
export function decodeDbusMessage(bytes: Uint8Array): DbusReply {
  try {
    return decode(bytes);
  } catch (cause) {
    // What DataView says of an offset beyond the end.
    if (!(cause instanceof RangeError)) throw cause;
    throw new DbusFormatError('a D-Bus message that is cut short', { cause });
  }
}

function decode(bytes: Uint8Array): DbusReply {
  if (bytes.length < dbusMessageLength(bytes)) throw new DbusFormatError('a D-Bus message that is cut short');
  const view = viewOf(bytes);
  const end = dbusHeaderSize + view.getUint32(12, true);
  let replyTo = 0;
  let errorName = '';
  let signature = '';
  for (let at = dbusHeaderSize; at < end; ) {
    at = align(at, 8);
    const code = view.getUint8(at);
    const kind = readSignature(bytes, at + 1);
    at += 1 + kind.length + 2;
    if (kind === 'u') {
      at = align(at, 4);
      if (code === FIELD.REPLY_SERIAL) replyTo = view.getUint32(at, true);
      at += 4;
    } else if (kind === 'g') {
      const text = readSignature(bytes, at);
      if (code === FIELD.SIGNATURE) signature = text;
      at += text.length + 2;
    } else if (kind === 's' || kind === 'o') {
      at = align(at, 4);
      const length = view.getUint32(at, true);
      if (code === FIELD.ERROR_NAME) errorName = readText(bytes, at + 4, length);
      at += 4 + length + 1;
    } else throw new DbusFormatError(`a header field of type ${JSON.stringify(kind)}`);
  }
  const types: Record<number, DbusReply['type']> = { [TYPE.RETURN]: 'return', [TYPE.ERROR]: 'error' };
  const value = readFirst(bytes, view, align(end, 8), signature);
  return { type: types[view.getUint8(1)] ?? 'other', replyTo, errorName, value };
}

function readFirst(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  signature: string,
): string | boolean | undefined {
  if (signature.startsWith('s')) return readText(bytes, at + 4, view.getUint32(at, true));
  if (signature.startsWith('b')) return view.getUint32(at, true) !== 0;
  return undefined;
}

function readSignature(bytes: Uint8Array, at: number): string {
  return readText(bytes, at + 1, viewOf(bytes).getUint8(at));
}

function readText(bytes: Uint8Array, at: number, length: number): string {
  if (at + length > bytes.length) throw new RangeError('text beyond the end');
  return new TextDecoder().decode(bytes.subarray(at, at + length));
}

function putField(bytes: number[], code: number, kind: 'o' | 's' | 'g', value: string): void {
  while (bytes.length % 8 !== 0) bytes.push(0);
  bytes.push(code, 1, kind.charCodeAt(0), 0);
  if (kind !== 'g') {
    putString(bytes, value);
    return;
  }
  bytes.push(value.length, ...new TextEncoder().encode(value), 0);
}

function putString(bytes: number[], text: string): void {
  const encoded = new TextEncoder().encode(text);
  while (bytes.length % 4 !== 0) bytes.push(0);
  putU32(bytes, encoded.length);
  bytes.push(...encoded, 0);
}

function putU32(bytes: number[], value: number): void {
  bytes.push(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
}

function align(at: number, to: 4 | 8): number {
  return (at + to - 1) & -to;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
