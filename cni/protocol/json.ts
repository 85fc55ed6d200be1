import { decodingFailure } from './error.ts';

/**
 * Typed reading of JSON that others wrote. `path` is how the key is called in messages ("prevResult.ips[0].address").
 * As in Go's encoding/json, null counts as absent and unknown keys are ignored; unlike there, keys are case-sensitive
 * and broken UTF-8 is an error. Every reader throws code 6 for a value of another type.
 */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Levels of nesting after which Go's decoder gives up; deeper documents overflow the stack of those who write them. */
const maxDepth = 10_000;

/** Parses bytes that must be one JSON object in UTF-8. `what` names them in messages. */
export function parseJsonObject(bytes: Uint8Array, what: string): JsonObject {
  const value = parseJson(bytes, what);
  if (isObject(value)) return value;
  throw decodingFailure(`${what} must be a JSON object, got ${typeName(value)}`);
}

/** The object at `path`, or undefined. */
export function readObject(value: unknown, path: string): JsonObject | undefined {
  if (isAbsent(value)) return undefined;
  if (isObject(value)) return value;
  throw wrongType(path, 'an object', value);
}

/** The array at `path`, or undefined. */
export function readArray(value: unknown, path: string): readonly unknown[] | undefined {
  if (isAbsent(value)) return undefined;
  if (Array.isArray(value)) return value;
  throw wrongType(path, 'an array', value);
}

/** The string at `path`, or undefined. */
export function readString(value: unknown, path: string): string | undefined {
  if (isAbsent(value)) return undefined;
  if (typeof value === 'string') return value;
  throw wrongType(path, 'a string', value);
}

/** The boolean at `path`, or undefined. */
export function readBoolean(value: unknown, path: string): boolean | undefined {
  if (isAbsent(value)) return undefined;
  if (typeof value === 'boolean') return value;
  throw wrongType(path, 'true or false', value);
}

/** The integer at `path`, or undefined. */
export function readInteger(value: unknown, path: string): number | undefined {
  if (isAbsent(value)) return undefined;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  throw wrongType(path, 'an integer', value);
}

/** The integer ≥ 0 at `path`, or undefined. */
export function readUint(value: unknown, path: string): number | undefined {
  const integer = readInteger(value, path);
  if (integer === undefined || integer >= 0) return integer;
  throw decodingFailure(`${path} must not be negative, got ${integer}`);
}

/** The array of strings at `path`, or undefined. */
export function readStrings(value: unknown, path: string): readonly string[] | undefined {
  return readArray(value, path)?.map((entry, index) => requireString(entry, `${path}[${index}]`));
}

/** The string at `path`, which must be there. */
export function requireString(value: unknown, path: string): string {
  const text = readString(value, path);
  if (text !== undefined) return text;
  throw decodingFailure(`${path} is missing: it must be a string`);
}

/** A value's type as a person would say it. */
export function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string') return `the string ${shorten(JSON.stringify(value))}`;
  return `${typeof value} ${String(value)}`;
}

function parseJson(bytes: Uint8Array, what: string): unknown {
  const text = decodeUtf8(bytes, what);
  if (text.trim() === '') throw decodingFailure(`${what} is empty: it must be a JSON object`);
  // Twice: each level takes an opening and a closing byte, so short documents need no look.
  if (bytes.length > 2 * maxDepth && depthOf(bytes) > maxDepth) {
    throw decodingFailure(`${what} is nested more than ${maxDepth} levels deep`);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw decodingFailure(`${what} is not valid JSON`, { details: messageOf(cause), cause });
  }
}

function decodeUtf8(bytes: Uint8Array, what: string): string {
  try {
    // A byte order mark stays in, so that JSON.parse refuses it as RFC 8259 lets it.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw decodingFailure(`${what} is not valid UTF-8`, { cause });
  }
}

/** The deepest nesting of brackets outside of strings. */
function depthOf(bytes: Uint8Array): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index];
    if (quoted) {
      if (byte === 0x5c) index++;
      else if (byte === 0x22) quoted = false;
    } else if (byte === 0x22) quoted = true;
    else if (byte === 0x5b || byte === 0x7b) deepest = Math.max(deepest, ++depth);
    else if (byte === 0x5d || byte === 0x7d) depth--;
  }
  return deepest;
}

function isAbsent(value: unknown): value is null | undefined {
  return value === undefined || value === null;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wrongType(path: string, wanted: string, value: unknown): Error {
  return decodingFailure(`${path} must be ${wanted}, got ${typeName(value)}`);
}

function shorten(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
